"""FLOPs and parameters of a network in closed form, without building a tensor; see `operators.cost`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from trionet_nni.architecture.architecture import Architecture, Basic, Block
from trionet_nni.architecture.skeleton import Skeleton, skeleton
from trionet_nni.operators.cost import Cost, conv_cost, norm_cost
from trionet_nni.operators.operator import Operator
from trionet_nni.operators.place import Place, reduced


def block_cost(block: Block, at: Place) -> Cost:
    """One residual block: its branch, and the shortcut where the block changes the shape."""
    cost = _basic_cost(at) if isinstance(block, Basic) else _bottleneck_cost(block, at)
    if at.stride != 1 or at.input_width != at.output_width:
        cost += _conv_norm_cost(at.input_width, at.output_width, 1, at.output_size)
    return cost


def _conv_norm_cost(inputs: int, outputs: int, kernel: int, output_size: int) -> Cost:
    return conv_cost(inputs, outputs, kernel, output_size) + norm_cost(outputs)


def _basic_cost(at: Place) -> Cost:
    """Two 3×3 convolutions, the first of which strides."""
    first = _conv_norm_cost(at.input_width, at.output_width, 3, at.output_size)
    return first + _conv_norm_cost(at.output_width, at.output_width, 3, at.output_size)


def _bottleneck_cost(block: Operator, at: Place) -> Cost:
    """1×1 in, operator, 1×1 out, each with BN."""
    inner, out = block.inner(at.output_width), block.out(at.output_width)
    cost = _conv_norm_cost(at.input_width, inner, 1, at.size)
    cost += block.cost(at) + norm_cost(out)
    return cost + _conv_norm_cost(out, at.output_width, 1, at.output_size)


def outside_cost(frame: Skeleton, classes: int, channels: int, image_size: int) -> Cost:
    """What every network of a skeleton shares: the stem and the linear classifier (with bias)."""
    stem_size = reduced(image_size, frame.stem.stride)
    stem = _conv_norm_cost(channels, frame.stem.channels, frame.stem.kernel, stem_size)
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
        return block_cost(block, frame.place(stage, index, self._size(frame)))

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
