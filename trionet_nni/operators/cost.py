"""What layers cost in closed form.

Conventions (docs/paper-choices.md): FLOPs are 2 × multiply-accumulates of convolutions, linear layers and
the three attention products (q·k, q·r, attention·v). BN, ReLU, softmax and pooling are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """Parameters (elements) and multiply-accumulates of one forward pass on one image."""

    params: int = 0
    macs: int = 0

    @property
    def flops(self) -> int:
        """2 × multiply-accumulates."""
        return 2 * self.macs

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.params + other.params, self.macs + other.macs)

    def to_dict(self) -> dict[str, int]:
        """As the command line prints it."""
        return {"params": self.params, "macs": self.macs, "flops": self.flops}


def conv_cost(inputs: int, outputs: int, kernel: int, output_size: int, groups: int = 1) -> Cost:
    """A convolution without bias, on a square map of `output_size` pixels a side."""
    weights = inputs // groups * outputs * kernel * kernel
    return Cost(weights, weights * output_size**2)


def norm_cost(channels: int) -> Cost:
    """Scale and shift of a batch normalization."""
    return Cost(2 * channels)


def attention_cost(
    inputs: int, qk: int, v: int, heads: int, *, queries: int, keys: int, offsets: int
) -> Cost:
    """Projections, position table [qk ÷ heads, offsets] shared by the heads, and the three products.

    Args:
        inputs: channels of the input.
        qk: channels of queries, and of keys.
        v: channels of values.
        queries: positions of the map.
        keys: positions that each query attends to; q·r is counted once for each of them.
        offsets: entries of the position table.
    """
    projections = inputs * (2 * qk + v)
    products = keys * (2 * qk + v)
    return Cost(projections + qk // heads * offsets, queries * (projections + products))
