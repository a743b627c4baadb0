"""Local attention read literally: every position's window is copied out.

The definition that the other routes are tested against. It is what the FLOP counter sees (on the meta
device) and the only route with second derivatives; it stores m² copies of keys and values.

Shapes: B images, n heads, d channels of a head, H × W map, L = H · W positions, P = m² offsets.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from trionet_nni.operators.layers.border import Border


def window_attention(
    q_BCHW: Tensor,
    k_BCHW: Tensor,
    v_BVHW: Tensor,
    r_dmm: Tensor,
    heads: int,
    border: Border,
    dropout: float = 0.0,
) -> Tensor:
    """Eq. 1; see `local_attention`. Returns [B, V, H, W]."""
    batch, _, height, width = q_BCHW.shape
    window = int(r_dmm.shape[-1])  # a parameter's, fixed also where sizes are open
    positions = height * width

    def split(x: Tensor, *tail: int) -> Tensor:
        return x.reshape(batch, heads, -1, *tail)

    q_BnLd = split(q_BCHW, positions).transpose(2, 3)
    k_BndPL = split(F.unfold(k_BCHW, window, padding=window // 2), window**2, positions)
    v_BndPL = split(F.unfold(v_BVHW, window, padding=window // 2), window**2, positions)
    logits_BnLP = (q_BnLd[..., None, :] @ k_BndPL.permute(0, 1, 4, 2, 3))[..., 0, :]
    logits_BnLP = logits_BnLP + q_BnLd @ r_dmm.flatten(1)
    if border == "mask":
        inside = F.unfold(q_BCHW.new_ones(1, 1, height, width), window, padding=window // 2)
        logits_BnLP = logits_BnLP.masked_fill(inside.transpose(1, 2)[:, None] == 0, float("-inf"))
    weights_BnLP = logits_BnLP.softmax(-1)
    if dropout:
        weights_BnLP = F.dropout(weights_BnLP, dropout)
    out_BnLd = weights_BnLP[..., None, :] @ v_BndPL.permute(0, 1, 4, 3, 2)
    return out_BnLd[..., 0, :].transpose(2, 3).reshape(batch, -1, height, width)
