"""Self-attention along the lines of a map, read literally: what axial attention is.

The definition that the compiled routes are tested against. It is what the FLOP counter sees (on the meta
device), and the route with second derivatives; it stores the logits.

Shapes: B images, n heads, d channels of a head, S lines that do not interact, L positions on a line,
G = B·n·S.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def line_attention(
    q_BCHW: Tensor,
    k_BCHW: Tensor,
    v_BVHW: Tensor,
    table_dO: Tensor | None,
    heads: int,
    axis: int,
    dropout: float = 0.0,
) -> Tensor:
    """Self-attention among the positions of every line along `axis` (2 = height, 3 = width).

    Args:
        table_dO: position table with O = 2·reach − 1 offsets, fitted to the lines. None: no position term.
        dropout: share of the attention weights that is set to 0.
    """
    batch = q_BCHW.shape[0]

    def lines(x: Tensor) -> Tensor:
        x = x.reshape(batch, heads, -1, *x.shape[2:])
        return x.permute(0, 1, 4, 3, 2) if axis == 2 else x.permute(0, 1, 3, 4, 2)

    q_BnSLd, k_BnSLd, v_BnSLd = lines(q_BCHW), lines(k_BCHW), lines(v_BVHW)
    logits_BnSLL = q_BnSLd @ k_BnSLd.transpose(-1, -2)
    if table_dO is not None:
        logits_BnSLL = logits_BnSLL + _position_term(q_BnSLd, table_dO)
    weights_BnSLL = logits_BnSLL.softmax(-1)
    if dropout:
        weights_BnSLL = F.dropout(weights_BnSLL, dropout)
    out_BnSLd = weights_BnSLL @ v_BnSLd
    order = (0, 1, 4, 3, 2) if axis == 2 else (0, 1, 4, 2, 3)
    return out_BnSLd.permute(order).reshape(batch, -1, *q_BCHW.shape[2:])


def _position_term(q_BnSLd: Tensor, table_dO: Tensor) -> Tensor:
    """q·r of every pair of positions on a line: [B, n, S, L, L]."""
    length = q_BnSLd.shape[3]
    if isinstance(length, torch.SymInt):  # exported for any size
        r_LdL = any_length(table_dO, length).transpose(0, 1)
    else:
        table_dO = fitted(table_dO, length)
        reach = (table_dO.shape[1] + 1) // 2
        r_LdL = table_dO[:, _offsets(length, reach, table_dO.device)].transpose(0, 1)
    q_LGd = q_BnSLd.reshape(-1, length, q_BnSLd.shape[-1]).transpose(0, 1)
    return torch.bmm(q_LGd, r_LdL).transpose(0, 1).reshape(*q_BnSLd.shape[:-1], length)


def fitted(table_dO: Tensor, length: int) -> Tensor:
    """The table itself where it reaches `length` positions, else linearly interpolated to do so.

    The ends stay the ends and the offset 0 stays the middle: offset o of a line of L positions is found at
    o·(reach − 1) ÷ (L − 1). So weights of 224 × 224 images serve larger ones.

    Returns:
        [d, 2·max(reach, length) − 1].
    """
    if table_dO.shape[1] >= 2 * length - 1:
        return table_dO
    return F.interpolate(table_dO[None], 2 * length - 1, mode="linear", align_corners=True)[0]


def centred(table_dO: Tensor, length: int) -> Tensor:
    """The offsets −(L−1) … L−1 of lines of L positions, fitted where they go beyond: [d, 2·L − 1]."""
    table_dO = fitted(table_dO, length)
    middle = table_dO.shape[1] // 2
    return table_dO[:, middle - length + 1 : middle + length]


def any_length(table_dO: Tensor, length: int | torch.SymInt) -> Tensor:
    """The table at the offset of every pair of positions, [d, L, L], without asking how long the line is.

    `fitted` asks, and a network that is exported with it is one for short lines or one for long lines. This
    is the same interpolation: the offsets are scaled by (reach − 1) ÷ (L − 1) where that is below 1.
    """
    reach = (table_dO.shape[1] + 1) // 2
    position = torch.arange(length, device=table_dO.device)
    span = position[-1].clamp(min=max(1, reach - 1))
    place_LL = (position[None] - position[:, None]) * ((reach - 1) / span.double()) + (reach - 1)
    below_LL = place_LL.floor().long().clamp(0, max(0, 2 * reach - 3))
    above_LL = (below_LL + 1).clamp(max=2 * reach - 2)
    share_LL = (place_LL - below_LL).to(table_dO.dtype)
    return table_dO[:, below_LL] * (1 - share_LL) + table_dO[:, above_LL] * share_LL


def _offsets(length: int, reach: int, device: torch.device) -> Tensor:
    """[L, L] index of the offset p − o in the table."""
    position = torch.arange(length, device=device)
    return position[None] - position[:, None] + reach - 1
