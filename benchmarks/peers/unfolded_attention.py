"""Local attention as published stand-alone models write it: unfolded windows and einsum, left to autograd.

Shapes: B images, n heads, d channels of a head, H × W map, m × m window.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def unfolded_attention(q_BCHW: Tensor, k_BCHW: Tensor, v_BVHW: Tensor, r_dmm: Tensor, heads: int) -> Tensor:
    """Eq. 1 with zero padding; keeps m² copies of keys and values for the backward pass."""
    batch, _, height, width = q_BCHW.shape
    window = r_dmm.shape[-1]

    def windows(x: Tensor) -> Tensor:
        padded = F.pad(x, (window // 2,) * 4)
        around = padded.unfold(2, window, 1).unfold(3, window, 1)
        return around.reshape(batch, heads, -1, height, width, window, window)

    q = q_BCHW.reshape(batch, heads, -1, height, width)
    logits = torch.einsum("bndhw,bndhwxy->bnhwxy", q, windows(k_BCHW))
    logits = logits + torch.einsum("bndhw,dxy->bnhwxy", q, r_dmm)
    weights = logits.flatten(-2).softmax(-1).view_as(logits)
    out = torch.einsum("bnhwxy,bndhwxy->bndhw", weights, windows(v_BVHW))
    return out.reshape(batch, -1, height, width)
