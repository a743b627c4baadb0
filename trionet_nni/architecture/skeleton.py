"""The part of a network that is never searched: stem, stage widths, strides, the deepest stages.

An architecture file names its skeleton (`"space": "trionet"`), so that a network can be rebuilt from
that file alone, without the search space it was found in.
"""

from __future__ import annotations

from dataclasses import dataclass

from trionet_nni.errors import InputError, shown
from trionet_nni.operators.place import Place, reduced
from trionet_nni.operators.registry import OPERATORS


@dataclass(frozen=True)
class Stem:
    """First convolution, BN, ReLU and, where `pool` is set, a 3×3 max-pool of stride 2."""

    kernel: int
    stride: int
    channels: int
    pool: bool


@dataclass(frozen=True)
class Skeleton:
    """Widths, strides and depth limits of the stages.

    Attributes:
        widths: output channels of each stage's blocks.
        strides: stride of the first block of each stage.
        max_depths: blocks in each stage of the largest network.
        image_size: side in pixels of the square input it is meant for.
        operators: of the blocks that it takes; every registered one, unless others are named.
    """

    name: str
    stem: Stem
    widths: tuple[int, ...]
    strides: tuple[int, ...]
    max_depths: tuple[int, ...]
    image_size: int
    operators: tuple[str, ...] = tuple(OPERATORS)

    def input_size(self, stage: int, block: int, image_size: int) -> int:
        """Side of the square map that enters a block, in pixels (stage and block count from 0)."""
        size = -(-image_size // self.stem.stride)
        if self.stem.pool:
            size = -(-size // 2)
        for earlier in range(stage):
            size = reduced(size, self.strides[earlier])
        return size if block == 0 else reduced(size, self.strides[stage])

    def input_width(self, stage: int, block: int) -> int:
        """Channels that enter a block."""
        if block > 0:
            return self.widths[stage]
        return self.stem.channels if stage == 0 else self.widths[stage - 1]

    def stride(self, stage: int, block: int) -> int:
        """Stride of a block: only the first one of a stage reduces the map."""
        return self.strides[stage] if block == 0 else 1

    def place(self, stage: int, block: int, image_size: int) -> Place:
        """Where a block stands in a network for square images of so many pixels a side."""
        return Place(
            self.input_width(stage, block),
            self.widths[stage],
            self.input_size(stage, block, image_size),
            self.stride(stage, block),
        )


_IMAGENET_STEM = Stem(kernel=7, stride=2, channels=64, pool=True)

SKELETONS: dict[str, Skeleton] = {
    skeleton.name: skeleton
    for skeleton in (
        # The paper's space: appendix A for the depths, docs/paper-choices.md for the widths.
        Skeleton("trionet", _IMAGENET_STEM, (128, 256, 512, 1024), (1, 2, 2, 2), (2, 3, 6, 3), 224),
        # Hand-designed ResNet and local-attention baselines are twice as wide.
        Skeleton("resnet", _IMAGENET_STEM, (256, 512, 1024, 2048), (1, 2, 2, 2), (3, 4, 6, 3), 224),
        # Axial-50 has a deeper first two stages than the space allows.
        Skeleton("axial", _IMAGENET_STEM, (128, 256, 512, 1024), (1, 2, 2, 2), (3, 4, 6, 3), 224),
        # ResNet-18 alone: blocks without a bottleneck, a quarter of ResNet-50's width.
        Skeleton("resnet-18", _IMAGENET_STEM, (64, 128, 256, 512), (1, 2, 2, 2), (2,) * 4, 224, ("basic",)),
        # Images of 28 to 32 pixels: stride-1 stem, smaller widths and depths, the same blocks.
        Skeleton("trionet-small", Stem(3, 1, 32, True), (64, 128, 256), (1, 2, 2), (2, 2, 2), 32),
        # Replicas of the paper's experiments on two cores: attention sees maps of 16 × 16 and 8 × 8.
        Skeleton("trionet-tiny", Stem(3, 2, 32, False), (64, 128), (2, 2), (2, 2), 32),
    )
}


def skeleton(name: str) -> Skeleton:
    """Look a skeleton up by the name that architecture files carry.

    Raises:
        InputError: no skeleton has this name.
    """
    try:
        return SKELETONS[name]
    except (KeyError, TypeError):
        raise InputError(f"space: found {shown(name)}, allowed: {', '.join(SKELETONS)}") from None
