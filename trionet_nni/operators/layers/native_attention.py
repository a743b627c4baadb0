"""Local attention by the compiled CPU kernel (native/local_attention.cpp), where it was built.

`make native` builds it. Nothing needs it: every other route gives the same numbers. TRIONET_NATIVE=0
keeps it out of use. Only q, k, v and r are kept for the backward pass, which computes the weights again.

Shapes: B images, n heads, d channels of a head, C = n·d, V channels of the values, H × W map, m window.
"""

from __future__ import annotations

import ctypes
import os
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trionet_nni.operators.layers.border import Border
from trionet_nni.operators.layers.build_native import home, library_name
from trionet_nni.operators.layers.concrete import is_concrete
from trionet_nni.operators.layers.shapes import check_shapes


class _Problem(ctypes.Structure):
    """trionet::Problem in native/layout.h."""

    _fields_ = [
        (name, ctypes.c_int64)
        for name in ("images", "heads", "height", "width", "window", "qk", "v", "mask")
    ]


class _Map(ctypes.Structure):
    """trionet::Tensor in native/layout.h."""

    _fields_ = [("data", ctypes.c_void_p)] + [
        (name, ctypes.c_int64) for name in ("image", "channel", "row", "column")
    ]


def is_available(q: Tensor) -> bool:
    """Whether the kernel was built, is not switched off, and takes these queries.

    It takes float32 on a CPU, with memory of its own: not the stand-ins of a trace or an export.
    """
    suits = q.device.type == "cpu" and q.dtype == torch.float32 and is_concrete(q)
    return suits and library() is not None


def library() -> ctypes.CDLL | None:
    """The kernel of this source and processor; None where it was not built, or TRIONET_NATIVE is 0."""
    return None if os.environ.get("TRIONET_NATIVE") == "0" else load(home())


@lru_cache(maxsize=8)
def load(folder: Path) -> ctypes.CDLL | None:
    """The library in `folder`, if it is the one of this source and processor."""
    path = folder / library_name()
    if not path.is_file():
        return None
    try:
        loaded = ctypes.CDLL(str(path))
    except OSError as error:
        warnings.warn(f"native kernel: cannot be loaded ({error}); repair: make native", stacklevel=2)
        return None
    pointers = ctypes.c_void_p
    loaded.trionet_local_forward.argtypes = [*[pointers] * 6, ctypes.c_int64]
    loaded.trionet_local_backward.argtypes = [*[pointers] * 10, ctypes.c_int64]
    return loaded


def native_attention(
    q_BCHW: Tensor,
    k_BCHW: Tensor,
    v_BVHW: Tensor,
    r_dmm: Tensor,
    heads: int,
    border: Border,
) -> Tensor:
    """Eq. 1 of the paper, as `trionet_nni.operators.layers.local_attention` defines it.

    Any strides; the result has the memory format of v.

    Returns:
        [B, V, H, W].

    Raises:
        RuntimeError: the kernel was not built or is switched off, or second derivatives are asked for.
        TypeError: a tensor is not float32 on the CPU.
        ValueError: the shapes do not fit each other.
    """
    if library() is None:
        allowed = "only after `make native` and unless TRIONET_NATIVE=0"
        raise RuntimeError(f"route: found 'native', allowed {allowed}")
    for name, x in (("q", q_BCHW), ("k", k_BCHW), ("v", v_BVHW), ("r", r_dmm)):
        if x.dtype != torch.float32 or x.device.type != "cpu":
            raise TypeError(f"{name}: found {x.dtype} on {x.device}, allowed: torch.float32 on cpu")
    check_shapes(q_BCHW, k_BCHW, v_BVHW, r_dmm, heads)
    out: Tensor = _NativeAttention.apply(q_BCHW, k_BCHW, v_BVHW, r_dmm, heads, border == "mask")
    return out


class _NativeAttention(torch.autograd.Function):
    """Both passes by the kernel; gradients of first order only."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, r: Tensor, heads: int, mask: bool) -> Tensor:
        """Return [B, V, H, W]."""
        r = r.contiguous()
        ctx.save_for_backward(q, k, v, r)
        ctx.heads, ctx.mask = heads, mask
        out = torch.empty_like(v)
        _call("trionet_local_forward", _problem(q, v, r, heads, mask), q, k, v, r, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of q, k, v and r."""
        if torch.is_grad_enabled():
            raise RuntimeError('local attention has no second derivatives; use route="window" for them')
        q, k, v, r = ctx.saved_tensors
        grads = [torch.empty_like(x) for x in (q, k, v, r)]
        problem = _problem(q, v, r, ctx.heads, ctx.mask)
        _call("trionet_local_backward", problem, q, k, v, r, grad, *grads)
        return *grads, None, None


def _problem(q: Tensor, v: Tensor, r: Tensor, heads: int, mask: bool) -> _Problem:
    batch, channels, height, width = q.shape
    return _Problem(batch, heads, height, width, r.shape[-1], channels // heads, v.shape[1] // heads, mask)


def _call(name: str, problem: _Problem, *tensors: Tensor) -> None:
    """Call the kernel: maps go with their strides, position tables as bare pointers."""
    loaded = library()
    assert loaded is not None
    maps = [_Map(x.data_ptr(), *x.stride()) if x.dim() == 4 else x.data_ptr() for x in tensors]
    arguments = [ctypes.addressof(x) if isinstance(x, _Map) else x for x in maps]
    if getattr(loaded, name)(ctypes.addressof(problem), *arguments, torch.get_num_threads()):
        raise MemoryError("the compiled local attention found no memory for its rows")
