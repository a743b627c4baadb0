"""What a weight-sharing rule for multi-head attention must say (the seam between slicing and choosing)."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor


class Sharing(ABC):
    """Which of the F stored channels a sub-network with n heads and s channels uses.

    `rows` and `view` must agree: `take(x, dim, n, s)` equals `x.index_select(dim, rows(F, n, s))`.
    """

    @abstractmethod
    def rows(self, full: int, heads: int, sampled: int) -> list[int]:
        """Indices of the chosen channels among `full`.

        Raises:
            ValueError: the channels do not split over the heads.
        """

    @abstractmethod
    def view(self, x: Tensor, dim: int, heads: int, sampled: int) -> Tensor:
        """The chosen channels of dimension `dim` as a view, never a copy.

        Where one dimension cannot say which channels, there are two in its place: heads × channels of a
        head.
        """

    def take(self, x: Tensor, dim: int, heads: int, sampled: int) -> Tensor:
        """The chosen channels of dimension `dim`, by slices, so that the gradient needs no scatter."""
        view = self.view(x, dim, heads, sampled)
        return view if view.dim() == x.dim() else view.flatten(dim, dim + 1)


def check_split(full: int, heads: int, sampled: int) -> None:
    """Refuse numbers of channels that do not split over the heads.

    Raises:
        ValueError: saying which one.
    """
    for rows in (full, sampled):
        if heads < 1 or rows % heads:
            raise ValueError(f"{rows} rows do not split over {heads} heads")
    if not 0 < sampled <= full:
        raise ValueError(f"{sampled} rows cannot be taken from {full}")
