"""Which parts of the shared weights one training step used, and what follows for decay and momentum.

Weight decay acts on the largest sub-network only (appendix A), and what no sub-network of the step used
must stay bit-identical: weight, momentum and decay.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor, nn

from strategies.elastic import elastic_blocks
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.operators.operator import Operator
from trionet_nni.supernet.reduce import averaged
from trionet_nni.supernet.regions import WHOLE, Region
from trionet_nni.supernet.slicing import cut_view


class Usage:
    """Used parts of a supernet's parameters."""

    def __init__(self, supernet: nn.Module) -> None:
        self._blocks = {block.label: block for block in elastic_blocks(supernet)}
        inside = {id(p) for block in self._blocks.values() for p in block.parameters()}
        self._common = [p for p in supernet.parameters() if id(p) not in inside]

    @torch.no_grad()
    def add_decay(self, architecture: Architecture, weight_decay: float) -> None:
        """Add `weight_decay` · w to the gradient of every parameter element that a sub-network uses."""
        if weight_decay == 0:
            return
        pairs = list(self._parts(architecture))
        gradients, weights = [gradient for gradient, _ in pairs], [weight for _, weight in pairs]
        torch._foreach_add_(gradients, weights, alpha=weight_decay)

    def regions(self) -> dict[nn.Parameter, Region]:
        """What the passes since the last zero_grad used, of every parameter that has a gradient."""
        found = {p: Region((WHOLE,)) for p in self._common if p.grad is not None}
        for block in self._blocks.values():
            found.update(block.regions())
        return found

    def average_over_processes(self, losses: Tensor) -> None:
        """Where several processes train together, give all of them the means of gradients and losses.

        Args:
            losses: one of each sub-network; they travel with the gradients.
        """
        used = ((parameter.grad, region) for parameter, region in self.regions().items())
        averaged(chain(used, [(losses, Region((WHOLE,)))]))

    def _parts(self, architecture: Architecture) -> Iterator[tuple[Tensor, Tensor]]:
        """(gradient, weight) of everything that a sub-network uses, as views."""
        for label, block in architecture.blocks():
            assert isinstance(block, Operator)  # no space offers another block
            for shared, cut in self._blocks[label].parts(block):
                if (gradient := shared.parameter.grad) is not None:
                    yield cut_view(gradient, cut), cut_view(shared.parameter, cut)
        for parameter in self._common:
            if parameter.grad is not None:
                yield parameter.grad, parameter
