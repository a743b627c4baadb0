"""Local attention by square blocks of queries, each against its block of keys with half a window around it.

Shapes: B images, n heads, d channels of a head, H × W map, m window, G = B·n·blocks groups, b side of a
query block, b + m − 1 side of the block with its halo.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from trionet_nni.ops.border import Border
from trionet_nni.ops.query_groups import Geometry, GroupAttention


def halo_attention(
    q_BCHW: Tensor, k_BCHW: Tensor, v_BVHW: Tensor, r_dmm: Tensor, heads: int, border: Border
) -> Tensor:
    """Eq. 1; see `local_attention`. Returns [B, V, H, W]."""
    batch, _, height, width = q_BCHW.shape
    window = r_dmm.shape[-1]
    block = block_side(height, width, window)
    rows, columns = -(-height // block), -(-width // block)
    extra = (0, columns * block - width, 0, rows * block - height)
    half = window // 2
    halo = (half, half + extra[1], half, half + extra[3])

    def queries(x: Tensor) -> Tensor:
        x = F.pad(x, extra) if any(extra) else x
        x = x.reshape(batch * heads, -1, rows, block, columns, block)
        return x.permute(0, 2, 4, 3, 5, 1).reshape(batch * heads * rows * columns, block**2, -1)

    def keys(x: Tensor) -> Tensor:
        side = block + window - 1
        x = F.pad(x, halo).unfold(2, side, block).unfold(3, side, block)
        x = x.reshape(batch * heads, -1, rows, columns, side**2)
        return x.permute(0, 2, 3, 1, 4).reshape(batch * heads * rows * columns, -1, side**2)

    q_GQd, k_GdK, v_GVK = queries(q_BCHW), keys(k_BCHW), keys(v_BVHW)
    if border == "mask":
        # One more channel, 1 in the query and 0 or −10⁴ in the key, keeps the kernel unaware of borders.
        outside = keys(q_BCHW.new_ones(batch, heads, height, width)).sub(1).mul(1e4)
        q_GQd, k_GdK = F.pad(q_GQd, (0, 1), value=1.0), torch.cat((k_GdK, outside), 1)
        r_dmm = F.pad(r_dmm, (0, 0, 0, 0, 0, 1))
    geometry = _geometry(block, window, q_BCHW.device)
    out_GQV: Tensor = GroupAttention.apply(q_GQd, k_GdK, v_GVK, r_dmm.flatten(1), geometry)
    out = out_GQV.reshape(batch * heads, rows, columns, block, block, -1).permute(0, 5, 1, 3, 2, 4)
    return out.reshape(batch, -1, rows * block, columns * block)[:, :, :height, :width]


def block_side(height: int, width: int, window: int) -> int:
    """Side of the query blocks: the whole map when it is small, else the fewest logits."""
    longest = max(height, width)
    if longest <= 4:
        return longest

    def logits(side: int) -> int:
        queries = -(-height // side) * -(-width // side) * side**2
        return queries * (side + window - 1) ** 2

    return min((4, 7, 8), key=logits)


@lru_cache(maxsize=64)
def _geometry(block: int, window: int, device: torch.device) -> Geometry:
    """Columns are the keys of the block with its halo; all offsets of every query are among them."""
    line = torch.arange(block + window - 1)[None] - torch.arange(block)[:, None]
    inside = (line >= 0) & (line < window)
    offset = (line[:, None, :, None] * window + line[None, :, None, :]).reshape(block**2, -1)
    valid = (inside[:, None, :, None] & inside[None, :, None, :]).reshape(block**2, -1)
    queries, keys = offset.shape
    query = torch.arange(queries)[:, None]
    offset_of = torch.where(valid, query * window**2 + offset, queries * window**2)
    column_of = torch.empty(queries, window**2, dtype=torch.long)
    row, key = valid.nonzero(as_tuple=True)
    column_of[row, offset[row, key]] = row * keys + key
    return Geometry(offset_of.flatten().to(device), column_of.flatten().to(device), keys)
