"""Axial attention by Triton kernels, on CUDA (or, for tests, in Triton's interpreter).

Nothing of the size of the logits is ever stored. Kept for the backward pass are the inputs, the output,
the log-sum-exp and, with dropout, the seed that the masks are hashed from.

Shapes: B images, d channels of a head, H × W map, L positions on a line, O = 2·reach − 1 offsets of a
table, D = 2·L − 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trionet_nni.operators.layers.attention_dropout import drawn_seed
from trionet_nni.operators.layers.line_attention import centred
from trionet_nni.operators.layers.shapes import check_lines
from trionet_nni.operators.layers.triton_attention import (
    check_takes,
    empty_last,
    power_of_2,
    warps_for,
)

# Numbers of one block's queries, as many as registers hold (benchmarks.triton_resources).
_BLOCK_ELEMENTS = 512
# Shares of an offset's gradient in the table: with 2·L − 1 offsets enough programs for the largest cards.
_SHARES = 32


def triton_lines(
    q_BCHW: Tensor,
    k_BCHW: Tensor,
    v_BVHW: Tensor,
    table_dO: Tensor,
    heads: int,
    axis: int,
    dropout: float = 0.0,
) -> Tensor:
    """Attention along an axis, as `line_attention` defines it; sums are float32.

    Returns:
        [B, V, H, W] in q's type, channels last.

    Raises:
        RuntimeError: Triton is not installed, there is no CUDA, or second derivatives are asked for.
        ValueError: the shapes do not fit each other.
    """
    check_takes(q_BCHW)
    check_lines(q_BCHW, k_BCHW, v_BVHW, table_dO, heads)
    length = q_BCHW.shape[axis]
    if table_dO.shape[1] < 2 * length - 1:  # as in `native_lines`
        table_dO = table_dO.double()
    table_Dd = centred(table_dO, length).float().t().contiguous()
    seed = drawn_seed(q_BCHW.device) if dropout else None
    out: Tensor = _TritonLines.apply(q_BCHW, k_BCHW, v_BVHW, table_Dd, heads, axis, seed, dropout)
    return out


@dataclass(frozen=True)
class Launch:
    """Sizes of one call, as the kernels name them."""

    total: int
    heads: int
    height: int
    width: int
    qk: int
    v: int
    axis: int

    @classmethod
    def of(cls, q: Tensor, v: Tensor, heads: int, axis: int) -> Launch:
        """For maps of this shape."""
        batch, channels, height, width = q.shape
        total = batch * heads * height * width
        return cls(total, heads, height, width, channels // heads, v.shape[1] // heads, axis)

    def map(self) -> tuple[int, int, int, int]:
        """Arguments that may change without a new compilation."""
        return self.total, self.heads, self.height, self.width

    @property
    def positions(self) -> int:
        """Of a block."""
        return max(16, min(64, _BLOCK_ELEMENTS // power_of_2(max(self.qk, self.v))))

    @property
    def blocks(self) -> int:
        """Programs that take one block each."""
        return -(-self.total // self.positions)

    @property
    def offsets(self) -> int:
        """Rows of the table."""
        return 2 * (self.height if self.axis == 2 else self.width) - 1

    def constants(self) -> dict[str, Any]:
        """What a kernel is compiled for."""
        return {
            "QK": self.qk,
            "V": self.v,
            "AXIS": self.axis,
            "N": self.positions,
            "DQ": power_of_2(self.qk),
            "DV": power_of_2(self.v),
            "num_warps": warps_for(self.positions * power_of_2(max(self.qk, self.v))),
        }


class _TritonLines(torch.autograd.Function):
    """Both passes by the kernels; gradients of first order only."""

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        table_Dd: Tensor,
        heads: int,
        axis: int,
        seed: Tensor | None,
        dropout: float,
    ) -> Tensor:
        """Return [B, V, H, W]."""
        from trionet_nni.operators.layers import triton_line_kernels as kernels

        launch = Launch.of(q, v, heads, axis)
        q, k, v = (x.contiguous(memory_format=torch.channels_last) for x in (q, k, v))
        out = empty_last(v, q.dtype)
        lse = q.new_empty(q.shape[0], heads, *q.shape[2:], dtype=torch.float32)
        drop = {"DROP": seed is not None, **launch.constants()}
        if launch.total:
            kernels.forward[(launch.blocks,)](
                q, k, v, table_Dd, out, lse, seed, dropout, *launch.map(), **drop
            )  # fmt: skip
        ctx.save_for_backward(q, k, v, table_Dd, out, lse, seed)
        ctx.launch, ctx.dropout = launch, dropout
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of q, k, v and the table."""
        from trionet_nni.operators.layers import triton_line_kernels as kernels

        if torch.is_grad_enabled():
            raise RuntimeError('no second derivatives here; use route="formula" for them')
        q, k, v, table_Dd, out, lse, seed = ctx.saved_tensors
        launch: Launch = ctx.launch
        grad = grad.contiguous(memory_format=torch.channels_last)
        delta = torch.empty_like(lse)
        grad_q, grad_k, grad_v = (empty_last(x, x.dtype) for x in (q, k, v))
        constants = {"DROP": seed is not None, **launch.constants()}
        shares = min(launch.blocks, _SHARES)
        grad_table = lse.new_empty(shares, launch.offsets, constants["DQ"])
        drop, blocks = (seed, ctx.dropout, *launch.map()), (launch.blocks,)
        if launch.total:
            kernels.backward_queries[blocks](
                q, k, v, table_Dd, out, lse, grad, delta, grad_q, *drop, **constants
            )  # fmt: skip
            kernels.backward_keys[blocks](
                q, k, v, table_Dd, lse, grad, delta, grad_k, grad_v, *drop, **constants
            )  # fmt: skip
            kernels.backward_table[launch.offsets, shares](
                q, k, v, table_Dd, lse, grad, delta, grad_table, *drop, **constants
            )  # fmt: skip
        return grad_q, grad_k, grad_v, grad_table.sum(0)[:, : launch.qk], *[None] * 4
