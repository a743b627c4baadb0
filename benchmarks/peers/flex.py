"""Local attention by torch's flex_attention: the window as a block mask, the position term as a score."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask, flex_attention


class FlexAttention:
    """Eq. 1 over windows cut off at the border, forward pass only: on CPUs torch has no backward for it.

    Args:
        side: of the square map, in positions.
        window: side m of the window, odd.
        r_dmm: position table.
        compiled: by torch.compile; eagerly it computes all pairs of positions.
    """

    def __init__(self, side: int, window: int, r_dmm: Tensor, compiled: bool) -> None:
        reach = window // 2

        def inside(b: Any, h: Any, query: Any, key: Any) -> Any:
            rows = (query // side - key // side).abs() <= reach
            return rows & ((query % side - key % side).abs() <= reach)

        self._mask = create_block_mask(inside, None, None, side * side, side * side, device="cpu")
        self._side, self._reach, self._r_dmm = side, reach, r_dmm
        self._attend: Any = torch.compile(flex_attention) if compiled else flex_attention

    @torch.no_grad()
    def __call__(self, q_BCHW: Tensor, k_BCHW: Tensor, v_BVHW: Tensor, heads: int) -> Tensor:
        """[B, V, H, W]."""
        q, k, v = (x.unflatten(1, (heads, -1)).flatten(3).transpose(2, 3) for x in (q_BCHW, k_BCHW, v_BVHW))
        side, reach = self._side, self._reach
        term_BNLmm = torch.einsum("bnld,dxy->bnlxy", q, self._r_dmm)

        def score(logit: Any, b: Any, h: Any, query: Any, key: Any) -> Any:
            row = (key // side - query // side + reach).clamp(0, 2 * reach)
            column = (key % side - query % side + reach).clamp(0, 2 * reach)
            return logit + term_BNLmm[b, h, query, row, column]

        out: Tensor = self._attend(q, k, v, score_mod=score, block_mask=self._mask, scale=1.0)
        return out.transpose(2, 3).flatten(1, 2).unflatten(2, (side, side))
