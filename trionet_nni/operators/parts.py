"""Which part of a stored tensor a candidate uses, dimension by dimension; `supernet.slicing` takes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class All:
    """The whole dimension."""


@dataclass(frozen=True)
class Prefix:
    """The first `size` positions: channels of a convolution, rows of a position table."""

    size: int


@dataclass(frozen=True)
class Centre:
    """The middle `size` positions: a smaller kernel or window inside a larger one."""

    size: int


@dataclass(frozen=True)
class HeadChannels:
    """`size` channels of `heads` attention heads; which ones is the sharing rule's to say."""

    heads: int
    size: int


Part = All | Prefix | Centre | HeadChannels
Parts = tuple[Part, ...]  # one a dimension; dimensions without one are taken whole
