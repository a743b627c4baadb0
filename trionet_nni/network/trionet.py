"""A static network built from an Architecture: stem, residual blocks, linear classifier (Fig. 2, right)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate, pairwise
from operator import mul

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trionet_nni.architecture.architecture import Architecture, Basic, Block
from trionet_nni.architecture.skeleton import Skeleton
from trionet_nni.network.residual import BasicBlock, Residual, build_shortcut, pointwise
from trionet_nni.operators.layers.border import Border
from trionet_nni.operators.operator import Operator
from trionet_nni.operators.place import Place


class ResidualBlock(Residual):
    """1×1 in, one spatial operator, 1×1 out, each with BN; ReLU; shortcut.

    An operator that does not stride itself works at the input's resolution and is followed by a 2×2 average
    pool where the block strides. γ of the last BN starts at 0 (appendix A).
    """

    def __init__(self, block: Operator, at: Place, border: Border = "zero") -> None:
        super().__init__()
        inner, out = block.inner(at.output_width), block.out(at.output_width)
        self.project_in = pointwise(at.input_width, inner)
        self.bn_in = nn.BatchNorm2d(inner)
        self.operator = block.build(at, border)
        self.pools = at.stride != 1 and not block.strides
        self.bn_operator = nn.BatchNorm2d(out)
        self.project_out = pointwise(out, at.output_width)
        self.bn_out = nn.BatchNorm2d(at.output_width)
        nn.init.zeros_(self.bn_out.weight)
        self.shortcut = build_shortcut(at)

    def branch(self, x: Tensor) -> Tensor:
        """See `Residual.branch`."""
        out = F.relu(self.bn_in(self.project_in(x)), inplace=True)
        out = self.operator(out)
        if self.pools:
            out = F.avg_pool2d(out, 2, ceil_mode=True)
        out = F.relu(self.bn_operator(out), inplace=True)
        normalized: Tensor = self.bn_out(self.project_out(out))
        return normalized


def build_block(block: Block, at: Place, border: Border = "zero") -> Residual:
    """The residual block of a choice."""
    return BasicBlock(at) if isinstance(block, Basic) else ResidualBlock(block, at, border)


def set_survival(network: nn.Module, survival: float) -> None:
    """Set the survival probability of every residual block of a network."""
    for module in network.modules():
        if isinstance(module, Residual):
            module.survival = survival


class Stem(nn.Sequential):
    """Layers before the first stage; on a CPU what they give, and so the whole network, is channels-last.

    Convolutions and BN pass over memory faster in this layout, most of all on small images
    (docs/performance-notes.md).
    """

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, H, W] → the first stage's input."""
        if x.device.type == "cpu":
            # `contiguous` would leave an image of one channel as it is, and with it all that follows.
            x = x.to(memory_format=torch.channels_last)
        for layer in self:
            x = layer(x)
        return x


def build_stem(frame: Skeleton, channels: int) -> nn.Sequential:
    """First convolution, BN, ReLU and max-pool."""
    stem = frame.stem
    layers: list[nn.Module] = [
        nn.Conv2d(channels, stem.channels, stem.kernel, stem.stride, padding=stem.kernel // 2, bias=False),
        nn.BatchNorm2d(stem.channels),
        nn.ReLU(inplace=True),
    ]
    if stem.pool:
        layers.append(nn.MaxPool2d(3, 2, padding=1))
    return Stem(*layers)


def build_deep_stem(frame: Skeleton, channels: int) -> nn.Sequential:
    """Three 3×3 convolutions in place of the first one (ResNet V1c: He et al., CVPR 2019, "ResNet-C")."""
    stem = frame.stem
    widths = (channels, stem.channels // 2, stem.channels // 2, stem.channels)
    layers: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        stride = stem.stride if number == 0 else 1
        conv = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    if stem.pool:
        layers.append(nn.MaxPool2d(3, 2, padding=1))
    return Stem(*layers)


def initialize(network: nn.Module) -> None:
    """He initialization of every plain convolution (the operators initialize themselves).

    Weights without storage are left out: nothing comes of it, and torch takes a millisecond for each.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class TrioNet(nn.Module):
    """The network of an Architecture.

    Args:
        architecture: the choice of every block.
        classes: outputs of the classifier; None leaves it out, for a backbone.
        channels: channels of the input image.
        image_size: side in pixels of the square input (it fixes the reach of the axial tables); the
            skeleton's own when None.
        dropout: rate before the classifier.
        deep_stem: three 3×3 convolutions in place of the stem's first one.

    Shape: [B, channels, H, W] → [B, classes]. H and W may be any size: beyond `image_size` the axial
    tables are interpolated (see `ops.axial_attention`), below it their centre is used.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        classes: int | None = 1000,
        channels: int = 3,
        image_size: int | None = None,
        dropout: float = 0.0,
        border: Border = "zero",
        deep_stem: bool = False,
    ) -> None:
        super().__init__()
        frame = architecture.skeleton
        size = frame.image_size if image_size is None else image_size
        self.architecture = architecture
        self.stem = (build_deep_stem if deep_stem else build_stem)(frame, channels)
        self.stages = nn.Sequential(
            *(
                nn.Sequential(
                    *(
                        build_block(block, frame.place(stage_index, index, size), border)
                        for index, block in enumerate(stage)
                    )
                )
                for stage_index, stage in enumerate(architecture.stages)
            )
        )
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Identity() if classes is None else nn.Linear(frame.widths[-1], classes)
        initialize(self)

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the maps that `features` gives."""
        return self.architecture.skeleton.widths

    @property
    def strides(self) -> tuple[int, ...]:
        """Image pixels a position of each map that `features` gives, e.g. (4, 8, 16, 32)."""
        frame = self.architecture.skeleton
        stem = frame.stem.stride * (2 if frame.stem.pool else 1)
        return tuple(accumulate(frame.strides, mul, initial=stem))[1:]

    @property
    def num_features(self) -> int:
        """Channels of the last map, which the classifier takes."""
        return self.channels[-1]

    def get_classifier(self) -> nn.Module:
        """The last layer: linear, or nothing for a backbone."""
        return self.classifier

    def reset_classifier(self, num_classes: int) -> None:
        """A new classifier of so many classes, with weights drawn as for a new network; 0 takes it away."""
        self.classifier = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()

    def forward_features(self, x: Tensor) -> Tensor:
        """The map behind the last stage, before it is averaged: [B, num_features, h, w]."""
        maps: Tensor = self.stages(self.stem(x))
        return maps

    def features(self, x: Tensor) -> tuple[Tensor, ...]:
        """The map behind every stage, for a head of another task.

        Shape: [B, channels, H, W] → [B, channels[i], ⌈H ÷ strides[i]⌉, ⌈W ÷ strides[i]⌉] of every stage i.
        """
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        features = self.forward_features(x).mean((2, 3))
        logits: Tensor = self.classifier(self.dropout(features))
        return logits


def network_from_state(
    architecture: Architecture,
    state: Mapping[str, Tensor],
    *,
    image_size: int,
    dropout: float = 0.0,
    border: Border = "zero",
) -> TrioNet:
    """A network that takes over the given tensors, with no storage or random numbers of its own.

    Classes and image channels are read from the tensors' shapes.

    Raises:
        RuntimeError: names or shapes do not fit the architecture.
    """
    with torch.device("meta"):
        network = TrioNet(
            architecture,
            classes=state["classifier.weight"].shape[0],
            channels=state["stem.0.weight"].shape[1],
            image_size=image_size,
            dropout=dropout,
            border=border,
        )
    network.load_state_dict(dict(state), assign=True)
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    return network
