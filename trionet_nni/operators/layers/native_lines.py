"""Axial attention by the compiled CPU kernel (native/axial_attention.cpp), where it was built.

Built and switched off together with that of local attention (`native_attention`). Only q, k, v and the
table are kept for the backward pass, which computes the weights again.

Shapes: B images, d channels of a head, H × W map, L positions on a line, O = 2·reach − 1 offsets of a
table, D = 2·L − 1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trionet_nni.operators.layers.attention_dropout import drawn_seed
from trionet_nni.operators.layers.line_attention import centred, line_attention
from trionet_nni.operators.layers.native_attention import Problem, call, check_takes
from trionet_nni.operators.layers.shapes import check_lines


def native_lines(
    q_BCHW: Tensor,
    k_BCHW: Tensor,
    v_BVHW: Tensor,
    table_dO: Tensor,
    heads: int,
    axis: int,
    dropout: float = 0.0,
) -> Tensor:
    """Attention along an axis, as `line_attention` defines it.

    Any strides; the result has the memory format and the type of v. Sums are float32. Second derivatives
    come from the formula.

    Returns:
        [B, V, H, W].

    Raises:
        RuntimeError: the kernel was not built or is switched off, or second derivatives are asked for
            where weights were dropped.
        TypeError: a map is not on the CPU, or not float32 or bfloat16 as the others.
        ValueError: the shapes do not fit each other.
    """
    check_takes(q=q_BCHW, k=k_BCHW, v=v_BVHW)
    check_lines(q_BCHW, k_BCHW, v_BVHW, table_dO, heads)
    length = q_BCHW.shape[axis]
    if table_dO.shape[1] < 2 * length - 1:  # in float32 the places between offsets would be off by 10⁻⁵
        table_dO = table_dO.double()
    table_dD = centred(table_dO, length).float().contiguous()
    seed = drawn_seed(q_BCHW.device) if dropout else 0
    out: Tensor = _NativeLines.apply(q_BCHW, k_BCHW, v_BVHW, table_dD, heads, axis, seed, dropout)
    return out


class _NativeLines(torch.autograd.Function):
    """Both passes by the kernel."""

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        table_dD: Tensor,
        heads: int,
        axis: int,
        seed: int,
        dropout: float,
    ) -> Tensor:
        """Return [B, V, H, W]."""
        ctx.save_for_backward(q, k, v, table_dD)
        ctx.heads, ctx.axis, ctx.dropout = heads, axis, dropout
        ctx.problem = Problem.of(q, v, heads, seed, dropout, axis=axis)
        out = torch.empty_like(v)
        call("trionet_axial_forward", ctx.problem, q, k, v, table_dD, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of q, k, v and the table."""
        q, k, v, table_dD = ctx.saved_tensors
        if torch.is_grad_enabled():
            return *_by_the_formula(ctx, grad), *[None] * 4
        grads = [torch.empty_like(x) for x in (q, k, v, table_dD)]
        call("trionet_axial_backward", ctx.problem, q, k, v, table_dD, grad, *grads)
        return *grads, *[None] * 4


def _by_the_formula(ctx: Any, grad: Tensor) -> list[Tensor | None]:
    """Gradients that have gradients themselves."""
    if ctx.dropout:
        raise RuntimeError("axial attention has no second derivatives where weights are dropped")
    q, k, v, table_dD = ctx.saved_tensors
    out = line_attention(q, k, v, table_dD, ctx.heads, ctx.axis)
    wanted = [x for x in (q, k, v, table_dD) if x.requires_grad]
    found = iter(torch.autograd.grad(out, wanted, grad, create_graph=True))
    return [next(found) if x.requires_grad else None for x in (q, k, v, table_dD)]
