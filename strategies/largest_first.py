"""A step in which the largest sub-network's pass comes first, for what the others' passes need of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from strategies.distillation import listening
from strategies.projection import copied, make_way
from strategies.sandwich import Step
from trionet_nni.architecture.architecture import Architecture

Batch = tuple[Tensor, Tensor]  # images [B, C, S, S]; labels [B], or probabilities of them [B, classes]
Passes = Callable[[Batch, Sequence[Architecture]], list[Tensor]]  # the losses; gradients add up


@dataclass(frozen=True)
class LargestFirst:
    """Options beyond the paper that tell the largest sub-network from the others.

    Attributes:
        distillation: it teaches them; see `strategies.distillation`.
        projection: its gradient makes way for theirs; see `strategies.projection`.
    """

    distillation: bool
    projection: bool

    def __bool__(self) -> bool:
        return self.distillation or self.projection

    def losses(self, passes: Passes, supernet: nn.Module, batch: Batch, step: Step) -> list[Tensor]:
        """Passes of all sub-networks of a step, from gradients of None; the losses in the step's order.

        Args:
            supernet: whose modules the passes of a single sub-network run on.
        """
        subnetworks, at = step.subnetworks, step.decayed
        with listening(supernet) as said:
            found = passes(batch, [subnetworks[at]])
        own = copied(supernet.parameters()) if self.projection else {}
        taught = (batch[0], said[0]) if self.distillation else batch
        rest = passes(taught, [*subnetworks[:at], *subnetworks[at + 1 :]])
        if own:
            make_way(own)
        return [*rest[:at], *found, *rest[at:]]


OFF = LargestFirst(distillation=False, projection=False)
