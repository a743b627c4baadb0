"""FLOPs and parameters of a network in closed form, without building a tensor.

Conventions (NUMBERS.md): FLOPs are 2 × multiply-accumulates of convolutions, linear layers and the
three attention products (q·k, q·r, attention·v). BN, ReLU, softmax and pooling are not counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from trionet_nni.architecture.architecture import (
    Architecture,
    Basic,
    Block,
    Bottleneck,
    Conv,
    Local,
    block_widths,
)
from trionet_nni.architecture.skeleton import Skeleton, reduced, skeleton


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


def place(frame: Skeleton, stage: int, block: int, image_size: int) -> Place:
    """The place of a block (stage and block count from 0)."""
    return Place(
        frame.input_width(stage, block),
        frame.widths[stage],
        frame.input_size(stage, block, image_size),
        frame.stride(stage, block),
    )


def conv_cost(inputs: int, outputs: int, kernel: int, output_size: int) -> Cost:
    """A convolution without bias and the BN behind it."""
    weights = inputs * outputs * kernel * kernel
    return Cost(weights + 2 * outputs, weights * output_size**2)


def block_cost(block: Block, at: Place) -> Cost:
    """One residual block: its branch, and the shortcut where the block changes the shape."""
    cost = _basic_cost(at) if isinstance(block, Basic) else _bottleneck_cost(block, at)
    if at.stride != 1 or at.input_width != at.output_width:
        cost += conv_cost(at.input_width, at.output_width, 1, at.output_size)
    return cost


def _basic_cost(at: Place) -> Cost:
    """Two 3×3 convolutions, the first of which strides."""
    first = conv_cost(at.input_width, at.output_width, 3, at.output_size)
    return first + conv_cost(at.output_width, at.output_width, 3, at.output_size)


def _bottleneck_cost(block: Bottleneck, at: Place) -> Cost:
    """1×1 in, operator, 1×1 out."""
    widths = block_widths(block, at.output_width)
    cost = conv_cost(at.input_width, widths.inner, 1, at.size)
    cost += _operator_cost(block, at)
    return cost + conv_cost(widths.out, at.output_width, 1, at.output_size)


def _operator_cost(block: Bottleneck, at: Place) -> Cost:
    widths = block_widths(block, at.output_width)
    if isinstance(block, Conv):
        return conv_cost(widths.inner, widths.inner, block.kernel, at.output_size)
    batch_norm = Cost(2 * widths.v)
    if isinstance(block, Local):
        return (
            _attention_cost(
                widths.inner,
                widths.qk,
                widths.v,
                block.heads,
                at.size**2,
                block.kernel**2,
                2 * block.kernel,
            )
            + batch_norm
        )
    table = 2 * at.size - 1
    height = _attention_cost(widths.inner, widths.qk, widths.v, block.heads, at.size**2, at.size, table)
    width = _attention_cost(widths.v, widths.qk, widths.v, block.heads, at.size**2, at.size, table)
    return height + width + batch_norm


def _attention_cost(
    inputs: int, qk: int, v: int, heads: int, queries: int, keys: int, offsets: int
) -> Cost:
    """Projections, position table [qk ÷ heads, offsets] shared by the heads, and the three products.

    The local table is one row and one column table of `kernel` offsets each, added to each other.
    `keys` are attended by each query; q·r is counted once for each of them.
    """
    projections = inputs * (2 * qk + v)
    products = keys * (2 * qk + v)
    return Cost(projections + qk // heads * offsets, queries * (projections + products))


def outside_cost(frame: Skeleton, classes: int, channels: int, image_size: int) -> Cost:
    """What every network of a skeleton shares: the stem and the linear classifier (with bias)."""
    stem_size = reduced(image_size, frame.stem.stride)
    stem = conv_cost(channels, frame.stem.channels, frame.stem.kernel, stem_size)
    weights = frame.widths[-1] * classes
    return stem + Cost(weights + classes, weights)


@dataclass(frozen=True)
class CostModel:
    """What networks cost on given images.

    Attributes:
        classes: outputs of the classifier.
        channels: channels of the input image.
        image_size: side of the square input in pixels; the skeleton's own when None.
    """

    classes: int = 1000
    channels: int = 3
    image_size: int | None = None

    def __call__(self, architecture: Architecture) -> Cost:
        """Parameters and multiply-accumulates of a whole network."""
        blocks = (
            self.block(architecture.space, stage, index, block)
            for stage, stage_blocks in enumerate(architecture.stages)
            for index, block in enumerate(stage_blocks)
        )
        return total(blocks) + self.outside(architecture.space)

    def block(self, space: str, stage: int, index: int, block: Block) -> Cost:
        """One block at its place."""
        frame = skeleton(space)
        return block_cost(block, place(frame, stage, index, self._size(frame)))

    def outside(self, space: str) -> Cost:
        """Stem and classifier."""
        frame = skeleton(space)
        return outside_cost(frame, self.classes, self.channels, self._size(frame))

    def _size(self, frame: Skeleton) -> int:
        return frame.image_size if self.image_size is None else self.image_size


def architecture_cost(
    architecture: Architecture,
    *,
    image_size: int | None = None,
    classes: int = 1000,
    channels: int = 3,
) -> Cost:
    """Parameters and multiply-accumulates of a network; see `CostModel`."""
    return CostModel(classes, channels, image_size)(architecture)


def total(costs: Iterable[Cost]) -> Cost:
    """Sum of costs."""
    result = Cost()
    for cost in costs:
        result += cost
    return result
