"""Local attention on small maps: every position against all others, outside the window with weight 0.

Zero padding is masked attention with further columns: a neighbour outside the map has the logit q·r
and the value 0, so that nothing has to be padded or copied.

Shapes: N heads of images, d channels of a head, L = H · W positions, P = m² offsets.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from trionet_nni.operators.layers.border import Border
from trionet_nni.operators.layers.concrete import is_concrete
from trionet_nni.operators.layers.recomputed_attention import Geometry, recomputed_attention


def dense_attention(
    q_BCHW: Tensor,
    k_BCHW: Tensor,
    v_BVHW: Tensor,
    r_dmm: Tensor,
    heads: int,
    border: Border,
    dropout: float = 0.0,
) -> Tensor:
    """Eq. 1; see `local_attention`. Returns [B, V, H, W]."""
    height, width = q_BCHW.shape[2:]
    # What is made while somebody traces or exports is no tensor to be kept for later ones.
    whole_map = _whole_map if is_concrete(q_BCHW) else WholeMap
    blocks = whole_map(height, width, r_dmm.shape[-1], border, q_BCHW.device)
    return recomputed_attention(q_BCHW, k_BCHW, v_BVHW, r_dmm.flatten(1), heads, blocks, dropout)


class WholeMap:
    """All positions as one group; see `recomputed_attention.Blocks`."""

    def __init__(self, height: int, width: int, window: int, border: Border, device: torch.device) -> None:
        self.height, self.width = height, width
        offset_of, column_of = _offsets(height, width, window, border)
        self.geometry = Geometry(offset_of.to(device), column_of.to(device), height * width, 1)

    def queries(self, x_NdHW: Tensor) -> Tensor:
        """See `Blocks`."""
        return x_NdHW.flatten(2).transpose(1, 2).contiguous()

    def keys(self, x_NdHW: Tensor) -> Tensor:
        """See `Blocks`."""
        return x_NdHW.flatten(2)

    def from_queries(self, x_GQd: Tensor) -> Tensor:
        """See `Blocks`."""
        return self.from_keys(x_GQd.transpose(1, 2).contiguous())

    def from_keys(self, x_GdK: Tensor) -> Tensor:
        """See `Blocks`."""
        return x_GdK.view(*x_GdK.shape[:2], self.height, self.width)


_whole_map = lru_cache(maxsize=64)(WholeMap)


def _offsets(height: int, width: int, window: int, border: Border) -> tuple[Tensor, Tensor]:
    """The two tables of `Geometry`.

    Columns are all positions, then one for every offset ("zero"), or one that is never used ("mask").
    """
    positions, offsets = height * width, window**2
    row = torch.arange(window)[None] - window // 2 + torch.arange(height)[:, None]
    column = torch.arange(window)[None] - window // 2 + torch.arange(width)[:, None]
    key = row[:, None, :, None] * width + column[None, :, None, :]
    rows_in, columns_in = (row >= 0) & (row < height), (column >= 0) & (column < width)
    inside = (rows_in[:, None, :, None] & columns_in[None, :, None, :]).reshape(positions, offsets)
    outside = positions + (torch.arange(offsets) if border == "zero" else torch.zeros(offsets).long())
    column_of = torch.where(inside, key.reshape(positions, offsets), outside)
    columns = positions + (offsets if border == "zero" else 1)
    place = torch.arange(positions)[:, None] * offsets + torch.arange(offsets)
    query = torch.arange(positions)[:, None].expand_as(place)
    known = torch.ones_like(inside) if border == "zero" else inside
    offset_of = torch.full((positions, columns), positions * offsets)
    offset_of[query[known], column_of[known]] = place[known]
    return offset_of.flatten(), (query * columns + column_of).flatten()
