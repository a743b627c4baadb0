"""Axial self-attention: Eq. 1 along the height, then along the width (Ho et al. 2019; Wang et al. 2020).

As in the paper (section 3.1) without PS-attention and without BN inside; of the position terms only
q·r is kept. The table holds the offsets −(L−1) … L−1 and is shared by the heads. It serves lines of any
length: a shorter one uses its centre, a longer one an interpolation along the offsets (see `fitted`).

Shapes: B images, n heads, d channels of a head, S lines that do not interact, L positions on a line,
G = B·n·S.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trionet_nni.operators.layers.projection import project, projection


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
    weights_BnSLL = F.dropout(logits_BnSLL.softmax(-1), dropout, dropout > 0)
    out_BnSLd = weights_BnSLL @ v_BnSLd
    order = (0, 1, 4, 3, 2) if axis == 2 else (0, 1, 4, 2, 3)
    return out_BnSLd.permute(order).reshape(batch, -1, *q_BCHW.shape[2:])


def _position_term(q_BnSLd: Tensor, table_dO: Tensor) -> Tensor:
    """q·r of every pair of positions on a line: [B, n, S, L, L]."""
    length = q_BnSLd.shape[3]
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


@lru_cache(maxsize=64)
def _offsets(length: int, reach: int, device: torch.device) -> Tensor:
    """[L, L] index of the offset p − o in the table."""
    with torch.inference_mode(False):  # a later training step takes it from the cache
        position = torch.arange(length, device=device)
        return position[None] - position[:, None] + reach - 1


class AxialLayer(nn.Module):
    """One of the two layers: projections and attention along one axis.

    Args:
        inputs, qk, v, heads: as for local attention.
        length: reach of the table in positions, the longest line that needs no interpolation.
        axis: 2 for the height, 3 for the width.
    """

    def __init__(self, inputs: int, qk: int, v: int, heads: int, length: int, axis: int) -> None:
        super().__init__()
        self.heads, self.axis = heads, axis
        self.attention_dropout = 0.0  # see `attention_dropout.set_attention_dropout`
        self.q = nn.Parameter(projection(qk, inputs))
        self.k = nn.Parameter(projection(qk, inputs))
        self.v = nn.Parameter(projection(v, inputs))
        self.table = nn.Parameter(torch.randn(qk // heads, 2 * length - 1) * (qk // heads) ** -0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Attend along the axis."""
        q, k, v = project(x, self.q, self.k, self.v)
        dropout = self.attention_dropout if self.training else 0.0
        return line_attention(q, k, v, self.table, self.heads, self.axis, dropout)


class AxialAttention(nn.Module):
    """Multi-head axial self-attention with its projections, as a layer of its own.

    Args:
        inputs: input channels.
        qk: channels of the queries (= keys) of both layers, a multiple of `heads`.
        v: channels of the values of both layers = output channels, a multiple of `heads`.
        heads: parallel heads N.
        length: reach of the position tables, the longest side of the map in training.

    Shape: [B, inputs, H, W] → [B, v, H, W], any H and W.
    """

    def __init__(self, inputs: int, qk: int, v: int, heads: int, length: int) -> None:
        super().__init__()
        self.height = AxialLayer(inputs, qk, v, heads, length, axis=2)
        self.width = AxialLayer(v, qk, v, heads, length, axis=3)

    def forward(self, x: Tensor) -> Tensor:
        """Height first, then width."""
        out: Tensor = self.width(self.height(x))
        return out
