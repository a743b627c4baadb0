"""The hand-designed networks of Tables 2 and 4, as Architectures wherever they are bottlenecks."""

from __future__ import annotations

from trionet_nni.architecture import Architecture, Axial, Block, Conv, Local
from trionet_nni.errors import InputError
from trionet_nni.flops import Cost, conv_cost, outside_cost, total
from trionet_nni.skeleton import Skeleton, Stem, reduced

_DEPTHS = {26: (1, 2, 4, 1), 38: (2, 3, 5, 2), 50: (3, 4, 6, 3)}
_BLOCKS: dict[str, tuple[str, Block]] = {
    "resnet": ("resnet", Conv(0.25, 3)),
    "local": ("resnet", Local(0.25, 7, 1.0, 1.0, 8)),
    "axial": ("axial", Axial(0.5, 0.5, 1.0, 8)),
}
BASELINES: dict[str, Architecture] = {
    f"{family}-{layers}": Architecture(space, tuple((block,) * depth for depth in depths))
    for family, (space, block) in _BLOCKS.items()
    for layers, depths in _DEPTHS.items()
}
NAMES = ("resnet-18", *BASELINES)

_RESNET18 = Skeleton(
    "resnet-18", Stem(7, 2, 64, True), (64, 128, 256, 512), (1, 2, 2, 2), (2, 2, 2, 2), 224
)


def resnet18_cost(image_size: int, classes: int, channels: int) -> Cost:
    """ResNet-18: two 3×3 convolutions a block, which no Architecture can say."""

    def block(stage: int, number: int) -> Cost:
        inputs, outputs = _RESNET18.input_width(stage, number), _RESNET18.widths[stage]
        stride = _RESNET18.stride(stage, number)
        size = reduced(_RESNET18.input_size(stage, number, image_size), stride)
        cost = conv_cost(inputs, outputs, 3, size) + conv_cost(outputs, outputs, 3, size)
        return cost + conv_cost(inputs, outputs, 1, size) if inputs != outputs else cost

    blocks = (block(stage, number) for stage in range(4) for number in range(2))
    return total(blocks) + outside_cost(_RESNET18, classes, channels, image_size)


def baseline(name: str) -> Architecture:
    """A hand-designed network by name.

    Raises:
        InputError: no baseline of this name is made of bottlenecks.
    """
    if name not in BASELINES:
        raise InputError(f"network: found {name!r}, allowed: {', '.join(BASELINES)}")
    return BASELINES[name]
