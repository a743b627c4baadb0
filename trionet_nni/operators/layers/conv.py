"""The spatial convolution of a bottleneck (He et al. 2016)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, empty, nn


class SpatialConv(nn.Module):
    """A k × k convolution without bias that keeps the width and, with `stride`, reduces the map.

    Shape: [B, width, H, W] → [B, width, ⌈H ÷ stride⌉, ⌈W ÷ stride⌉].
    """

    def __init__(self, width: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(empty(width, width, kernel, kernel))
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Convolve with zero padding."""
        return F.conv2d(x, self.weight, stride=self.stride, padding=self.weight.shape[-1] // 2)
