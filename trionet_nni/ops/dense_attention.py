"""Local attention on small maps: every position against all others, outside the window with weight 0.

Zero padding is masked attention with further columns: a neighbour outside the map has the logit q·r
and the value 0, so that nothing has to be padded or copied.

Shapes: G = B·n groups, L = H · W positions, d channels of a head, P = m² offsets.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from trionet_nni.ops.border import Border
from trionet_nni.ops.query_groups import Geometry, GroupAttention


def dense_attention(
    q_BCHW: Tensor, k_BCHW: Tensor, v_BVHW: Tensor, r_dmm: Tensor, heads: int, border: Border
) -> Tensor:
    """Eq. 1; see `local_attention`. Returns [B, V, H, W]."""
    batch, _, height, width = q_BCHW.shape

    def groups(x: Tensor) -> Tensor:
        return x.reshape(batch * heads, -1, height * width)

    q_GLd = groups(q_BCHW).transpose(1, 2).contiguous()
    geometry = _geometry(height, width, r_dmm.shape[-1], border, q_BCHW.device)
    out_GLV: Tensor = GroupAttention.apply(
        q_GLd, groups(k_BCHW), groups(v_BVHW), r_dmm.flatten(1), geometry
    )
    return out_GLV.transpose(1, 2).reshape(batch, -1, height, width)


@lru_cache(maxsize=64)
def _geometry(height: int, width: int, window: int, border: Border, device: torch.device) -> Geometry:
    """Columns: all positions, then one for every offset ("zero"), or one that is never used ("mask")."""
    positions, offsets = height * width, window**2
    row = torch.arange(window)[None] - window // 2 + torch.arange(height)[:, None]
    column = torch.arange(window)[None] - window // 2 + torch.arange(width)[:, None]
    key = row[:, None, :, None] * width + column[None, :, None, :]
    inside = ((row >= 0) & (row < height))[:, None, :, None] & ((column >= 0) & (column < width))[
        None, :, None
    ]
    key, inside = key.reshape(positions, offsets), inside.reshape(positions, offsets)
    outside = positions + (torch.arange(offsets) if border == "zero" else torch.zeros(offsets))
    column_of = torch.where(inside, key, outside.long())
    columns = positions + (offsets if border == "zero" else 1)
    query = torch.arange(positions)[:, None]
    offset_of = torch.full((positions, columns), positions * offsets)
    place = query * offsets + torch.arange(offsets)
    known = torch.ones_like(inside) if border == "zero" else inside
    offset_of[query.expand_as(place)[known], column_of[known]] = place[known]
    flat = query * columns + column_of
    return Geometry(offset_of.flatten().to(device), flat.flatten().to(device), positions)
