"""The 1×1 projections of attention and their start values."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def projection(outputs: int, inputs: int) -> Tensor:
    """Weight [outputs, inputs] drawn from N(0, 1 ÷ inputs), which keeps the variance of the input."""
    return torch.randn(outputs, inputs).mul_(inputs**-0.5)


def project(x_BCHW: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
    """A 1×1 convolution with each weight [outputs, inputs]: one pass over x, and views of its result."""
    joined = F.conv2d(x_BCHW, torch.cat(weights)[..., None, None])
    return torch.split(joined, [weight.shape[0] for weight in weights], 1)
