"""Local attention by Triton kernels, on CUDA (or, for tests, in Triton's interpreter).

The route for large maps on a GPU: nothing of the size of the logits is ever stored. Kept for the backward
pass are the inputs, the output and the log-sum-exp (as in FlashAttention-2, Dao 2023).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from trionet_nni.operators.layers.attention_dropout import drawn_seed
from trionet_nni.operators.layers.border import Border
from trionet_nni.operators.layers.concrete import is_concrete
from trionet_nni.operators.layers.shapes import check_shapes

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
# Side of a block of positions, and its numbers of one map that a thread may hold: twice as many would
# not all fit into registers (benchmarks.triton_resources).
_SIDE, _SMALL_SIDE, _HELD = 8, 4, 8
# Programs of the pass that sums the position table's gradient, each with a share of its own: enough to
# fill the largest cards several times over.
_PROGRAMS = 2048


def is_available(q: Tensor) -> bool:
    """Whether Triton is installed and the queries are on CUDA, in one of `DTYPES`, not in a trace."""
    return q.is_cuda and q.dtype in DTYPES and is_concrete(q) and _installed()


def triton_attention(
    q_BCHW: Tensor,
    k_BCHW: Tensor,
    v_BVHW: Tensor,
    r_dmm: Tensor,
    heads: int,
    border: Border,
    dropout: float = 0.0,
) -> Tensor:
    """Eq. 1 of the paper, as `trionet_nni.operators.layers.local_attention` defines it; sums are float32.

    Returns:
        [B, V, H, W] in q's type, channels last.

    Raises:
        RuntimeError: Triton is not installed, there is no CUDA, or second derivatives are asked for.
        ValueError: the shapes do not fit each other.
    """
    check_takes(q_BCHW)
    check_shapes(q_BCHW, k_BCHW, v_BVHW, r_dmm, heads)
    seed = drawn_seed(q_BCHW.device) if dropout else None
    mask = border == "mask"
    out: Tensor = _TritonAttention.apply(q_BCHW, k_BCHW, v_BVHW, r_dmm, heads, mask, seed, dropout)
    return out


def check_takes(q: Tensor) -> None:
    """Triton must be there, and the queries on CUDA.

    Raises:
        RuntimeError: one line that names what is missing.
    """
    if not _installed() or not (q.is_cuda or _interpreting()):
        where = "Triton is not installed" if not _installed() else f"the map is on {q.device}"
        raise RuntimeError(f"route: found 'triton', allowed only on CUDA with Triton ({where})")


@lru_cache(maxsize=1)
def _installed() -> bool:
    return find_spec("triton") is not None


def _interpreting() -> bool:
    """Triton's own switch, read when the kernels are first imported."""
    return os.environ.get("TRITON_INTERPRET") == "1"


@dataclass(frozen=True)
class Launch:
    """Sizes of one call, as the kernels name them."""

    heads: int
    height: int
    width: int
    qk: int
    v: int
    window: int
    tiles: int
    side: int

    @classmethod
    def of(cls, q: Tensor, v: Tensor, window: int, heads: int) -> Launch:
        """For maps of this shape."""
        batch, channels, height, width = q.shape
        own = channels // heads, v.shape[1] // heads
        side = _SIDE if power_of_2(max(own)) <= 16 else _SMALL_SIDE
        tiles = batch * heads * -(-height // side) * -(-width // side)
        return cls(heads, height, width, *own, window, tiles, side)

    def map(self) -> tuple[int, int, int]:
        """Arguments that may change without a new compilation."""
        return self.heads, self.height, self.width

    def constants(self) -> dict[str, Any]:
        """What a kernel is compiled for."""
        depth = {"DQ": power_of_2(self.qk), "DV": power_of_2(self.v)}
        warps = warps_for(self.side**2 * max(depth.values()))
        return {
            "QK": self.qk,
            "V": self.v,
            "WINDOW": self.window,
            "SIDE": self.side,
            "num_warps": warps,
            **depth,
        }


class _TritonAttention(torch.autograd.Function):
    """Both passes by the kernels; gradients of first order only."""

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        r: Tensor,
        heads: int,
        mask: bool,
        seed: Tensor | None,
        dropout: float,
    ) -> Tensor:
        """Return [B, V, H, W]."""
        from trionet_nni.operators.layers import triton_kernels

        launch = Launch.of(q, v, r.shape[-1], heads)
        q, k, v = (x.contiguous(memory_format=torch.channels_last) for x in (q, k, v))
        table = _offsets_first(r)
        out = empty_last(v, q.dtype)
        lse = q.new_empty(q.shape[0], heads, *q.shape[2:], dtype=torch.float32)
        if launch.tiles:
            triton_kernels.forward[(launch.tiles,)](
                q, k, v, table, out, lse, seed, dropout, *launch.map(),
                MASK=mask, DROP=seed is not None, **launch.constants(),
            )  # fmt: skip
        ctx.save_for_backward(q, k, v, r, out, lse, seed)
        ctx.heads, ctx.mask, ctx.dropout = heads, mask, dropout
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of q, k, v and r."""
        from trionet_nni.operators.layers import triton_kernels

        if torch.is_grad_enabled():
            raise RuntimeError('local attention has no second derivatives; use route="window" for them')
        q, k, v, r, out, lse, seed = ctx.saved_tensors
        launch = Launch.of(q, v, r.shape[-1], ctx.heads)
        grad = grad.contiguous(memory_format=torch.channels_last)
        table, delta = _offsets_first(r), torch.empty_like(lse)
        grad_q, grad_k, grad_v = (empty_last(x, x.dtype) for x in (q, k, v))
        drop = seed, ctx.dropout
        constants = {"DROP": seed is not None, **launch.constants()}
        programs = min(launch.tiles, _PROGRAMS)
        taps = power_of_2(launch.window**2)
        shares = table.new_empty(programs, taps, constants["DQ"])
        if launch.tiles:
            triton_kernels.backward_queries[(programs,)](
                q, k, v, table, out, lse, grad, delta, grad_q, shares, *drop, launch.tiles, *launch.map(),
                MASK=ctx.mask, TAPS=taps, **constants,
            )  # fmt: skip
            triton_kernels.backward_keys[(launch.tiles,)](
                q, k, v, table, lse, grad, delta, grad_k, grad_v, *drop, *launch.map(), **constants
            )
        grad_table = shares.sum(0)[: launch.window**2, : launch.qk]
        return grad_q, grad_k, grad_v, grad_table.t().reshape(r.shape).to(r.dtype), *[None] * 4


def _offsets_first(r_dmm: Tensor) -> Tensor:
    """The table as [m², d] in float32."""
    return r_dmm.detach().flatten(1).t().float().contiguous()


def empty_last(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Memory for what has x's shape, channels last."""
    return torch.empty(x.shape, dtype=dtype, device=x.device, memory_format=torch.channels_last)


def warps_for(elements: int) -> int:
    """Of a program that holds so many numbers of each map."""
    return max(4, min(16, elements // (32 * _HELD)))


def power_of_2(size: int) -> int:
    """The next one that is not smaller."""
    return 1 << max(size - 1, 0).bit_length()
