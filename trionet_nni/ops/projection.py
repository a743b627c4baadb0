"""Start values of the 1×1 projections of attention."""

from __future__ import annotations

import torch
from torch import Tensor


def projection(outputs: int, inputs: int) -> Tensor:
    """Weight [outputs, inputs] drawn from N(0, 1 ÷ inputs), which keeps the variance of the input."""
    return torch.randn(outputs, inputs).mul_(inputs**-0.5)
