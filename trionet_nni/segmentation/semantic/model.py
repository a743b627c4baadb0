"""DeepLabV3 (Chen et al., arXiv:1706.05587) on the last stage of any backbone, without dilation in it.

The branches are torchvision's. The bottleneck behind them is a 3×3 convolution and the classifier follows
directly: with 512 channels, 21 classes and a deep stem this is what gives the FLOPs of the paper's Table 6.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.segmentation.deeplabv3 import ASPPConv, ASPPPooling

from trionet_nni.network.trionet import TrioNet
from trionet_nni.segmentation.shared.config import HeadConfig

_REACH = 96  # image pixels of the first dilation: 6 positions at output stride 16 in DeepLabV3


def dilations(stride: int) -> tuple[int, ...]:
    """DeepLabV3's rates at an output stride: (6, 12, 18) at 16, so (3, 6, 9) at 32."""
    first = max(1, _REACH // stride)
    return first, 2 * first, 3 * first


class DeepLabHead(nn.Module):
    """A 1×1 convolution, dilated 3×3 ones and the mean of the map; 3×3 bottleneck; classifier.

    Args:
        inputs: channels of the backbone's last stage.
        stride: its output stride.

    Shape: [B, inputs, H, W] → [B, classes, H, W], any H and W; in training B ≥ 2 (the mean's BN).
    """

    def __init__(self, inputs: int, stride: int, classes: int, config: HeadConfig) -> None:
        super().__init__()
        width = config.channels
        rates = dilations(stride) if config.rates is None else config.rates
        self.branches = nn.ModuleList([_conv_bn(inputs, width, 1)])
        self.branches.extend(ASPPConv(inputs, width, rate) for rate in rates)
        self.branches.append(ASPPPooling(inputs, width))
        self.bottleneck = _conv_bn(len(self.branches) * width, width, 3)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Conv2d(width, classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)  # type: ignore[arg-type]  # None only where asked for

    def forward(self, x: Tensor) -> Tensor:
        """Logits at the map's size."""
        x = self.bottleneck(torch.cat([branch(x) for branch in self.branches], 1))
        logits: Tensor = self.classifier(self.dropout(x))
        return logits


class DeepLabV3(nn.Module):
    """Backbone and head.

    Args:
        backbone: a network without classifier.
        classes: values of a mask, the background among them.

    Shape: [B, 3, H, W] → [B, classes, H, W], any H and W.
    """

    def __init__(self, backbone: TrioNet, classes: int, config: HeadConfig | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = DeepLabHead(
            backbone.channels[-1], backbone.strides[-1], classes, config or HeadConfig()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits of every pixel, interpolated from the last stage's positions."""
        logits = self.head(self.backbone.features(x)[-1])
        return F.interpolate(logits, x.shape[2:], mode="bilinear", align_corners=False)


def _conv_bn(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
