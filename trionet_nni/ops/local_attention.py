"""Local self-attention: Eq. 1 of the paper, after Ramachandran et al. (NeurIPS 2019).

    y_o = Σ_{p ∈ N(o)} softmax_p(q_oᵀ k_p + q_oᵀ r_{p−o}) v_p

Every position attends to the m × m window around it, in `heads` parallel heads. r_{p−o} is the sum of
a row and a column vector, shared by the heads; smaller windows use the centre of the table.

Shapes: B images, n heads, d channels of a head, H × W map, m window, G = B·n·blocks groups,
b side of a query block, K = b + m − 1 side of the block with its halo.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trionet_nni.ops.block_attention import BlockAttention
from trionet_nni.ops.projection import projection

Border = Literal["zero", "mask"]
Route = Literal["auto", "unfold", "halo"]


def local_attention(
    q_BCHW: Tensor,
    k_BCHW: Tensor,
    v_BVHW: Tensor,
    rows_dm: Tensor,
    columns_dm: Tensor,
    heads: int,
    *,
    border: Border = "zero",
    route: Route = "auto",
) -> Tensor:
    """Eq. 1 over the window that the table's width gives.

    Args:
        q_BCHW, k_BCHW: queries and keys, `heads` groups of d channels each.
        v_BVHW: values, `heads` groups of channels.
        rows_dm, columns_dm: position table; its width m (odd) is the window.
        border: neighbours outside the map are zero vectors ("zero"), or are left out ("mask").
        route: how it is computed; all routes give the same numbers. "auto" takes blocks with a halo,
            and on the meta device the plain formula, whose FLOPs are the counted ones.

    Returns:
        [B, V, H, W].
    """
    r_dmm = rows_dm[:, :, None] + columns_dm[:, None, :]
    if route == "unfold" or (route == "auto" and q_BCHW.is_meta):
        return _unfold(q_BCHW, k_BCHW, v_BVHW, r_dmm, heads, border)
    return _halo(q_BCHW, k_BCHW, v_BVHW, r_dmm, heads, border)


def _unfold(q: Tensor, k: Tensor, v: Tensor, r: Tensor, heads: int, border: Border) -> Tensor:
    """Eq. 1 read literally: every position's window is copied out."""
    batch, _, height, width = q.shape
    window = r.shape[-1]
    positions = height * width

    def split(x: Tensor, *tail: int) -> Tensor:
        return x.reshape(batch, heads, -1, *tail)

    q_BnLd = split(q, positions).transpose(2, 3)
    k_BndPL = split(F.unfold(k, window, padding=window // 2), window**2, positions)
    v_BndPL = split(F.unfold(v, window, padding=window // 2), window**2, positions)
    logits_BnLP = (q_BnLd[..., None, :] @ k_BndPL.permute(0, 1, 4, 2, 3))[..., 0, :]
    logits_BnLP = logits_BnLP + q_BnLd @ r.flatten(1)
    if border == "mask":
        inside = F.unfold(q.new_ones(1, 1, height, width), window, padding=window // 2)
        logits_BnLP = logits_BnLP.masked_fill(inside.transpose(1, 2)[:, None] == 0, float("-inf"))
    out_BnLd = logits_BnLP.softmax(-1)[..., None, :] @ v_BndPL.permute(0, 1, 4, 3, 2)
    return out_BnLd[..., 0, :].transpose(2, 3).reshape(batch, -1, height, width)


def _halo(q: Tensor, k: Tensor, v: Tensor, r: Tensor, heads: int, border: Border) -> Tensor:
    """Square blocks of queries, each against its block of keys with a halo of half a window."""
    batch, _, height, width = q.shape
    window = r.shape[-1]
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

    q_GQd, k_GdK, v_GVK = queries(q), keys(k), keys(v)
    if border == "mask":
        # One more channel, 1 in the query and 0 or −10⁴ in the key, keeps the kernel unaware of borders.
        outside = keys(q.new_ones(batch, heads, height, width)).sub(1).mul(1e4)
        q_GQd, k_GdK = F.pad(q_GQd, (0, 1), value=1.0), torch.cat((k_GdK, outside), 1)
        r = F.pad(r, (0, 0, 0, 0, 0, 1))
    out_GQV: Tensor = BlockAttention.apply(q_GQd, k_GdK, v_GVK, r.flatten(1), block, window)
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


class LocalAttention(nn.Module):
    """Multi-head local self-attention with its projections, as a layer of its own.

    Args:
        inputs: input channels.
        qk: channels of the queries (= keys), a multiple of `heads`.
        v: channels of the values = output channels, a multiple of `heads`.
        heads: parallel heads N.
        window: side m of the window, odd.
        border: see `local_attention`.

    Shape: [B, inputs, H, W] → [B, v, H, W], any H and W.
    """

    def __init__(
        self, inputs: int, qk: int, v: int, heads: int, window: int, border: Border = "zero"
    ) -> None:
        super().__init__()
        self.heads, self.border, self.route = heads, border, "auto"
        self.q = nn.Parameter(projection(qk, inputs))
        self.k = nn.Parameter(projection(qk, inputs))
        self.v = nn.Parameter(projection(v, inputs))
        scale = (qk // heads) ** -0.5
        self.rows = nn.Parameter(torch.randn(qk // heads, window) * scale)
        self.columns = nn.Parameter(torch.randn(qk // heads, window) * scale)

    def forward(self, x: Tensor) -> Tensor:
        """Attend within the window around every position."""
        q, k, v = (F.conv2d(x, weight[..., None, None]) for weight in (self.q, self.k, self.v))
        return local_attention(
            q,
            k,
            v,
            self.rows,
            self.columns,
            self.heads,
            border=self.border,
            route=self.route,  # type: ignore[arg-type]
        )
