"""Local attention by square blocks of queries, each against its block of keys with half a window around it.

Shapes: N heads of images, d channels of a head, H × W map, m window, b side of a query block,
K = (b + m − 1)² keys of a block with its halo.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from trionet_nni.operators.layers.border import Border
from trionet_nni.operators.layers.concrete import is_concrete
from trionet_nni.operators.layers.recomputed_attention import Geometry, recomputed_attention


def halo_attention(
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
    halo_blocks = _halo_blocks if is_concrete(q_BCHW) else HaloBlocks
    blocks = halo_blocks(height, width, r_dmm.shape[-1], border, q_BCHW.device)
    return recomputed_attention(q_BCHW, k_BCHW, v_BVHW, r_dmm.flatten(1), heads, blocks, dropout)


def block_side(height: int, width: int, window: int) -> int:
    """Side of the query blocks: the whole map when it is small, else the fewest logits."""
    longest = max(height, width)
    if longest <= 4:
        return longest

    def logits(side: int) -> int:
        queries = -(-height // side) * -(-width // side) * side**2
        return queries * (side + window - 1) ** 2

    return min((4, 7, 8), key=logits)


class HaloBlocks:
    """A map in blocks of b × b queries; see `recomputed_attention.Blocks`."""

    def __init__(self, height: int, width: int, window: int, border: Border, device: torch.device) -> None:
        self.height, self.width = height, width
        self.block = block_side(height, width, window)
        self.rows, self.columns = -(-height // self.block), -(-width // self.block)
        self.side, self.half = self.block + window - 1, window // 2
        self.below = self.rows * self.block - height  # what the last blocks lack
        self.right = self.columns * self.block - width
        bias = None
        if border == "mask":
            inside = self.keys(torch.ones(1, 1, height, width, device=device))
            # Finite: queries that only fill up the last blocks may have no neighbour at all.
            bias = (inside - 1).mul_(1e4)
        offset_of, column_of = _offsets(self.block, window)
        groups = self.rows * self.columns
        self.geometry = Geometry(offset_of.to(device), column_of.to(device), self.side**2, groups, bias)

    def queries(self, x_NdHW: Tensor) -> Tensor:
        """See `Blocks`."""
        x = F.pad(x_NdHW, (0, self.right, 0, self.below)) if self.right or self.below else x_NdHW
        x = x.reshape(len(x), -1, self.rows, self.block, self.columns, self.block)
        return x.permute(0, 2, 4, 3, 5, 1).reshape(-1, self.block**2, x_NdHW.shape[1])

    def keys(self, x_NdHW: Tensor) -> Tensor:
        """See `Blocks`."""
        half = self.half
        x = F.pad(x_NdHW, (half, half + self.right, half, half + self.below))
        x = x.unfold(2, self.side, self.block).unfold(3, self.side, self.block)
        return x.permute(0, 2, 3, 1, 4, 5).reshape(-1, x_NdHW.shape[1], self.side**2)

    def from_queries(self, x_GQd: Tensor) -> Tensor:
        """See `Blocks`."""
        x = x_GQd.view(-1, self.rows, self.columns, self.block, self.block, x_GQd.shape[2])
        x = x.permute(0, 5, 1, 3, 2, 4)
        x = x.reshape(len(x), -1, self.rows * self.block, self.columns * self.block)
        return x[:, :, : self.height, : self.width]

    def from_keys(self, x_GdK: Tensor) -> Tensor:
        """See `Blocks`; what overlaps is added for all blocks at once, tile by tile of a key block."""
        b, tiles = self.block, -(-self.side // self.block)
        x = x_GdK.view(-1, self.rows, self.columns, x_GdK.shape[1], self.side, self.side)
        x = x.permute(0, 3, 1, 4, 2, 5)
        rows, columns = self.rows + tiles - 1, self.columns + tiles - 1
        padded = x.new_zeros(*x.shape[:2], rows, b, columns, b)
        for i, j in product(range(tiles), repeat=2):
            tile = x[:, :, :, i * b : (i + 1) * b, :, j * b : (j + 1) * b]
            height, width = tile.shape[3], tile.shape[5]
            padded[:, :, i : i + self.rows, :height, j : j + self.columns, :width] += tile
        image = padded.view(*x.shape[:2], rows * b, columns * b)
        return image[:, :, self.half : self.half + self.height, self.half : self.half + self.width]


_halo_blocks = lru_cache(maxsize=64)(HaloBlocks)


def _offsets(block: int, window: int) -> tuple[Tensor, Tensor]:
    """The two tables of `Geometry`: all offsets of every query are among the keys of its block."""
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
    return offset_of.flatten(), column_of.flatten()
