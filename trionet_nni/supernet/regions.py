"""The part of a shared tensor that one training step used: the union of the cuts of its sub-networks.

With the sandwich rule the largest sub-network's cut holds nearly always all others, and the region is one
view. Where no cut holds all others, a copy of the tensor is changed and the cuts are written back.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from torch import Tensor

from trionet_nni.supernet.slicing import Cut, cut_view, within

WHOLE: Cut = ()


@dataclass(frozen=True)
class Region:
    """A union of cuts of a tensor, none of them within another."""

    cuts: tuple[Cut, ...]

    @property
    def whole(self) -> bool:
        """Whether it is the whole tensor."""
        return self.cuts[0] == WHOLE

    def read(self, x: Tensor) -> Tensor:
        """A dense tensor that holds the region: the tensor itself or a view where that is one, else a copy.

        Tensors that are laid out alike give parts that are laid out alike.
        """
        if self.whole:
            return x
        return cut_view(x, self.cuts[0]).contiguous() if len(self.cuts) == 1 else x.clone()

    def write(self, x: Tensor, values: Tensor) -> None:
        """Put back what `read` gave, changed; what lies outside stays. Nothing to do for a view."""
        if self.whole:
            return
        if len(self.cuts) == 1:
            part = cut_view(x, self.cuts[0])
            if values.data_ptr() != part.data_ptr():
                part.copy_(values)
            return
        for cut in self.cuts:  # where they overlap, both write the same
            cut_view(x, cut).copy_(cut_view(values, cut))

    def zero(self, x: Tensor) -> None:
        """Set the region to zero; what lies outside stays."""
        for cut in self.cuts:
            cut_view(x, cut).zero_()


@lru_cache(maxsize=65536)
def region(full: tuple[int, ...], cuts: frozenset[Cut]) -> Region:
    """The union of some cuts of a tensor of shape `full`."""
    kept: list[Cut] = []
    for cut in cuts:
        if within(WHOLE, cut, full):
            return Region((WHOLE,))
        if not any(within(cut, other, full) for other in kept):
            kept = [other for other in kept if not within(other, cut, full)] + [cut]
    return Region(tuple(kept))
