"""The layers that Panoptic-DeepLab is put together from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv_bn(
    inputs: int, outputs: int, kernel: int = 1, dilation: int = 1, groups: int = 1
) -> nn.Sequential:
    """A convolution that keeps the map's size, BN and ReLU."""
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def separable_conv(inputs: int, outputs: int, kernel: int = 5) -> nn.Sequential:
    """A depthwise-separable convolution: one filter a channel, then a mix of the channels."""
    return nn.Sequential(conv_bn(inputs, inputs, kernel, groups=inputs), conv_bn(inputs, outputs))


def resize(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear interpolation to (height, width)."""
    return F.interpolate(x, size=list(size), mode="bilinear", align_corners=False)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al., arXiv:1706.05587, section 3.3).

    A 1×1 convolution, three dilated 3×3 ones and the mean of the whole map, side by side, then mixed.

    Args:
        inputs: channels of the last stage.
        outputs: channels of every branch and of the result.
        rates: dilations of the 3×3 convolutions.

    Shape: [B, inputs, H, W] → [B, outputs, H, W], any H and W.
    """

    def __init__(self, inputs: int, outputs: int, rates: Sequence[int]) -> None:
        super().__init__()
        dilated = (conv_bn(inputs, outputs, 3, rate) for rate in rates)
        self.branches = nn.ModuleList([conv_bn(inputs, outputs), *dilated])
        # No BN after the mean: a batch has one value an image there, too few for statistics.
        self.mean = nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.ReLU(inplace=True))
        self.project = conv_bn((len(rates) + 2) * outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] → [B, outputs, H, W]."""
        mean = self.mean(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[2:])
        out: Tensor = self.project(torch.cat([*(branch(x) for branch in self.branches), mean], 1))
        return out
