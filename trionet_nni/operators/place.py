"""Where a block stands in a network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where a block stands: its channels, its input map's side in pixels and its stride."""

    input_width: int
    output_width: int
    size: int
    stride: int

    @property
    def output_size(self) -> int:
        """Side of the output map in pixels."""
        return reduced(self.size, self.stride)


def reduced(size: int, stride: int) -> int:
    """Side of a map after a block of this stride (rounded up, as a padded convolution does)."""
    return -(-size // stride)
