"""The network of Panoptic-DeepLab (Cheng et al., CVPR 2020, section 3.1 and figure 2).

One backbone, then twice the same with different widths, for classes and for instances: ASPP on the last
stage, and a decoder that goes up to a quarter of the image's size by way of the first two stages. Then
three heads.

The backbone's last stage has output stride 32 here, without dilation (TrioNet, appendix). ASPP's dilations
are therefore half of those that the paper uses at stride 16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from trionet_nni.errors import InputError
from trionet_nni.network.trionet import TrioNet
from trionet_nni.segmentation.panoptic.layers import ASPP, conv_bn, resize, separable_conv

_RATES = {32: (3, 6, 9), 16: (6, 12, 18), 8: (12, 24, 36)}  # by the last stage's output stride


@dataclass(frozen=True)
class DecoderWidths:
    """Channels of one decoder.

    Attributes:
        aspp: of ASPP.
        low: of the projected stages 2 and 1.
        out: of the fused maps.
        head: of the convolution before a prediction.
    """

    aspp: int
    low: tuple[int, int]
    out: int
    head: int


SEMANTIC = DecoderWidths(aspp=256, low=(64, 32), out=256, head=256)
INSTANCE = DecoderWidths(aspp=256, low=(32, 16), out=128, head=32)


class Prediction(NamedTuple):
    """What the network says of every pixel of its input.

    Attributes:
        semantic: logits of the classes, [B, classes, H, W].
        centre: heat map, [B, H, W].
        offset: (rows, columns) in pixels to the centre of the pixel's instance, [B, 2, H, W].
    """

    semantic: Tensor
    centre: Tensor
    offset: Tensor


class Decoder(nn.Module):
    """ASPP, then twice: enlarge, append a projected earlier stage, fuse by a separable 5×5 convolution.

    Args:
        channels: of the four stages.
        stride: output stride of the last stage.

    Shape: four maps [B, channels[i], Hᵢ, Wᵢ] → [B, widths.out, H₀, W₀].
    """

    def __init__(self, channels: Sequence[int], stride: int, widths: DecoderWidths) -> None:
        super().__init__()
        self.aspp = ASPP(channels[-1], widths.aspp, _RATES[stride])
        self.project = nn.ModuleList(
            conv_bn(channels[stage], low) for stage, low in zip((1, 0), widths.low, strict=True)
        )
        inputs = (widths.aspp + widths.low[0], widths.out + widths.low[1])
        self.fuse = nn.ModuleList(separable_conv(count, widths.out) for count in inputs)

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        """A map at the first stage's size."""
        x: Tensor = self.aspp(stages[-1])
        for project, fuse, early in zip(self.project, self.fuse, (stages[1], stages[0]), strict=True):
            x = fuse(torch.cat((resize(x, early.shape[2:]), project(early)), 1))
        return x


def head(widths: DecoderWidths, outputs: int) -> nn.Sequential:
    """A separable 5×5 convolution and a prediction that starts near zero."""
    last = nn.Conv2d(widths.head, outputs, 1)
    nn.init.normal_(last.weight, std=0.001)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]  # bias is None only where asked for
    return nn.Sequential(separable_conv(widths.out, widths.head), last)


class PanopticHead(nn.Module):
    """Everything behind the backbone: two decoders, three heads.

    Args:
        channels: of the backbone's four stages.
        strides: image pixels a position of each stage, e.g. (4, 8, 16, 32).
        classes: things and stuff.

    Raises:
        InputError: the backbone has not four stages, or a last stride without known dilations.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int], classes: int) -> None:
        super().__init__()
        if len(channels) != 4 or len(strides) != 4 or strides[-1] not in _RATES:
            allowed = ", ".join(map(str, sorted(_RATES)))
            raise InputError(
                f"backbone.network: found {len(strides)} stages of strides {', '.join(map(str, strides))}, "
                f"allowed: four, the last one of stride {allowed}"
            )
        self.stride = strides[0]
        self.semantic_decoder = Decoder(channels, strides[-1], SEMANTIC)
        self.instance_decoder = Decoder(channels, strides[-1], INSTANCE)
        self.semantic = head(SEMANTIC, classes)
        self.centre = head(INSTANCE, 1)
        self.offset = head(INSTANCE, 2)

    def forward(self, stages: Sequence[Tensor], size: Sequence[int]) -> Prediction:
        """Predict at (height, width) of the image; an offset grows with its map."""
        semantic = self.semantic(self.semantic_decoder(stages))
        instance = self.instance_decoder(stages)
        centre, offset = self.centre(instance), self.offset(instance) * self.stride
        return Prediction(resize(semantic, size), resize(centre, size)[:, 0], resize(offset, size))


class PanopticDeepLab(nn.Module):
    """Backbone and head.

    Args:
        backbone: a network without classifier.
        classes: things and stuff.

    Shape: [B, 3, H, W] → a `Prediction` at H × W, any H and W.
    """

    def __init__(self, backbone: TrioNet, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = PanopticHead(backbone.channels, backbone.strides, classes)

    def forward(self, x: Tensor) -> Prediction:
        """Classes, centres and offsets of every pixel."""
        prediction: Prediction = self.head(self.backbone.features(x), x.shape[2:])
        return prediction
