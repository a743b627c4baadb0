"""The passes of one training step, side by side: each lane is a thread with a supernet of its own modules.

The sub-networks of a step do not depend on each other: only the sum of their gradients is used. On small
images a second thread inside the operators saves little, as each takes microseconds; a second lane that
takes other sub-networks saves nearly half. A lane's supernet holds the same weights, in the same memory,
but its own choice of a sub-network and its own gradients, which are added to the supernet's at the end: the
result is a function of the step and of the number of lanes, never of which lane was faster.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn

from strategies.elastic import Chooser, ElasticBlock, elastic_blocks
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.cost import architecture_cost
from trionet_nni.supernet.slicing import cut_view

LANES = 2  # the largest sub-network costs about as much as the three others: a third lane would wait
Loss = Callable[[nn.Module], Tensor]  # of a supernet whose sub-network is chosen
Backward = Callable[[Tensor], None]


class Lane:
    """One supernet's modules, and the passes that run on them.

    Args:
        supernet: whose weights are used; its own modules, or those of `replica`.
    """

    def __init__(self, supernet: nn.Module) -> None:
        self.supernet = supernet
        self.choose = Chooser(supernet)

    def run(self, subnetworks: Sequence[Architecture], loss: Loss, backward: Backward) -> list[Tensor]:
        """Forward and backward pass of one after the other; gradients add up. The losses, detached."""
        losses = []
        for architecture in subnetworks:
            self.choose(architecture)
            found = loss(self.supernet)
            backward(found)
            losses.append(found.detach())
        return losses


class SecondLane(Lane):
    """A lane on a copy of the supernet's modules, in a thread of its own.

    Args:
        original: the supernet whose weights it uses and to whose gradients its own are added.
        threads: of the operators in it.
    """

    def __init__(self, original: nn.Module, threads: int) -> None:
        self.original = original
        rules = {id(block.sharing): block.sharing for block in elastic_blocks(original)}
        super().__init__(copy.deepcopy(original, dict(rules)))  # with the same rules: cuts are told by them
        self._pairs = list(zip(original.parameters(), self.supernet.parameters(), strict=True))
        self._blocks = list(zip(elastic_blocks(original), elastic_blocks(self.supernet), strict=True))
        shared = {id(p) for block, _ in self._blocks for p in block.parameters()}
        self._common = [(mine, its) for mine, its in self._pairs if id(mine) not in shared]
        # Threads start with the floating point mode of the one that makes them: denormals stay flushed.
        self._thread = ThreadPoolExecutor(1, "trionet-lane", torch.set_num_threads, (threads,))

    def start(self, subnetworks: Sequence[Architecture], loss: Loss) -> Callable[[], list[Tensor]]:
        """Begin the passes with gradients of None; the returned function waits for their losses."""
        self.supernet.train(self.original.training)
        self.supernet.zero_grad(set_to_none=True)
        for mine, its in self._pairs:
            if mine.data_ptr() != its.data_ptr():  # moving a module replaces its tensors
                its.data = mine.data

        return self._thread.submit(self.run, subnetworks, loss, torch.Tensor.backward).result

    @torch.no_grad()
    def add_gradients(self) -> None:
        """Add what the passes gave to the supernet's gradients, and mark it there as used."""
        sums: list[Tensor] = []
        terms: list[Tensor] = []
        for mine, its in self._blocks:
            for to, term in _used(mine, its):
                sums.append(to)
                terms.append(term)
        for parameter, its_parameter in self._common:
            if its_parameter.grad is None:
                continue
            if parameter.grad is None:
                parameter.grad = its_parameter.grad.clone()
            else:
                sums.append(parameter.grad)
                terms.append(its_parameter.grad)
        if sums:
            torch._foreach_add_(sums, terms)


def _used(mine: ElasticBlock, its: ElasticBlock) -> list[tuple[Tensor, Tensor]]:
    """(gradient to add to, gradient) of everything that the other block's passes used."""
    pairs = []
    for name, region in its.used():
        keeper = mine.shared(name)
        for cut in region.cuts:
            to = keeper.use(cut)
        gradient = its.shared(name).parameter.grad
        assert gradient is not None
        if len(region.cuts) == 1:
            to, gradient = cut_view(to, region.cuts[0]), cut_view(gradient, region.cuts[0])
        pairs.append((to, gradient))  # several cuts overlap, and outside of them a gradient is zero
    return pairs


def divided(subnetworks: Sequence[Architecture]) -> tuple[list[int], list[int]]:
    """Which sub-networks each of two lanes takes, so that both have about as many FLOPs to do.

    The costliest first, each to the lane that has less (longest processing time first; Graham 1969).
    """
    flops = [architecture_cost(architecture).flops for architecture in subnetworks]
    lanes: tuple[list[int], list[int]] = ([], [])
    loads = [0.0, 0.0]
    for index in sorted(range(len(flops)), key=lambda index: -flops[index]):
        lane = int(loads[1] < loads[0])
        lanes[lane].append(index)
        loads[lane] += flops[index]
    return sorted(lanes[0]), sorted(lanes[1])
