"""Which parts of the shared weights one training step used, and what follows for decay and momentum.

Weight decay acts on the largest sub-network only (appendix A), and what no sub-network of the step used
must stay bit-identical: weight, momentum and decay. An operator that no block chose has no gradient at
all and SGD passes it by; inside a shared tensor the gradient of an unused part is zero, but momentum would
still move it, so that part is put back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from strategies.elastic import elastic_blocks
from strategies.slicing import Cut, covers, cut_index
from trionet_nni.architecture import Architecture


class Usage:
    """Used parts of a supernet's parameters, from the sub-networks of a step."""

    def __init__(self, supernet: nn.Module) -> None:
        self._blocks = {block.label: block for block in elastic_blocks(supernet)}
        inside = {id(p) for block in self._blocks.values() for p in block.parameters()}
        self._common = [p for p in supernet.parameters() if id(p) not in inside]

    def add_decay(self, architecture: Architecture, weight_decay: float) -> None:
        """Add `weight_decay` · w to the gradient of every parameter element that a sub-network uses."""
        for parameter, cuts in self._used([architecture]):
            if parameter.grad is None:
                continue
            mask = _mask(parameter, cuts)
            decay = parameter.detach() if mask is None else parameter.detach() * mask
            parameter.grad.add_(decay, alpha=weight_decay)
        for parameter in self._common:
            if parameter.grad is not None:
                parameter.grad.add_(parameter.detach(), alpha=weight_decay)

    @contextmanager
    def idle_kept(
        self, architectures: Iterable[Architecture], optimizer: torch.optim.Optimizer
    ) -> Iterator[None]:
        """Around an optimizer step: what none of the sub-networks used keeps weight and momentum."""
        kept = []
        for parameter, cuts in self._used(architectures):
            mask = _mask(parameter, cuts)
            if mask is None:
                continue
            idle = ~mask
            momentum = optimizer.state[parameter].get("momentum_buffer")
            kept.append(
                (parameter, idle, parameter.detach()[idle], None if momentum is None else momentum[idle])
            )
        yield
        for parameter, idle, weights, momenta in kept:
            with torch.no_grad():
                parameter[idle] = weights
                if momenta is not None:
                    optimizer.state[parameter]["momentum_buffer"][idle] = momenta

    def _used(self, architectures: Iterable[Architecture]) -> Iterator[tuple[nn.Parameter, list[Cut]]]:
        """Every parameter of the blocks that some sub-network uses, with its cuts."""
        chosen = defaultdict(set)
        for architecture in architectures:
            for label, block in architecture.blocks():
                chosen[label].add(block)
        for label, candidates in chosen.items():
            parameters: dict[str, nn.Parameter] = {}
            cuts: dict[str, list[Cut]] = defaultdict(list)
            for candidate in candidates:
                for name, parameter, cut in self._blocks[label].parts(candidate):
                    parameters[name] = parameter
                    cuts[name].append(cut)
            for name, parameter in parameters.items():
                yield parameter, cuts[name]


def _mask(parameter: Tensor, cuts: list[Cut]) -> Tensor | None:
    """Elements that some cut holds; None when one of them holds all."""
    if any(covers(parameter, cut) for cut in cuts):
        return None
    mask = torch.zeros_like(parameter, dtype=torch.bool)
    for cut in set(cuts):
        mask[tuple(line.to(parameter.device) for line in cut_index(parameter, cut))] = True
    return None if bool(mask.all()) else mask
