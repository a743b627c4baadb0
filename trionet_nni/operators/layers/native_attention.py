"""Local attention by the compiled CPU kernel (native/local_attention.cpp), where it was built.

`make native` builds it, and that of axial attention (`native_lines`) with it. Nothing needs them: every
other route gives the same numbers. TRIONET_NATIVE=0 keeps them out of use. Only q, k, v and r are kept
for the backward pass, which computes the weights again.

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

from trionet_nni.operators.layers.attention_dropout import drawn_seed
from trionet_nni.operators.layers.border import Border
from trionet_nni.operators.layers.build_native import home, library_name
from trionet_nni.operators.layers.concrete import is_concrete
from trionet_nni.operators.layers.shapes import check_shapes

DTYPES = (torch.float32, torch.bfloat16)


class Problem(ctypes.Structure):
    """trionet::Problem in native/layout.h: what the kernels of local and of axial attention must know."""

    _fields_ = [
        (name, ctypes.c_int64)
        for name in (
            *("images", "heads", "height", "width", "qk", "v"),
            *("window", "mask", "axis", "bfloat16", "seed", "drop"),
        )
    ]

    @classmethod
    def of(
        cls, q_BCHW: Tensor, v_BVHW: Tensor, heads: int, seed: int, dropout: float, **own: int
    ) -> Problem:
        """Of maps of this shape and type; `own` are the fields of one of the two kernels."""
        images, channels, height, width = q_BCHW.shape
        return cls(
            images=images,
            heads=heads,
            height=height,
            width=width,
            qk=channels // heads,
            v=v_BVHW.shape[1] // heads,
            bfloat16=q_BCHW.dtype == torch.bfloat16,
            seed=seed,
            drop=round(dropout * 2**31),
            **own,
        )


class _Map(ctypes.Structure):
    """trionet::Tensor in native/layout.h."""

    _fields_ = [("data", ctypes.c_void_p)] + [
        (name, ctypes.c_int64) for name in ("image", "channel", "row", "column")
    ]


def is_available(*maps: Tensor) -> bool:
    """Whether the kernels were built, are not switched off, and take these queries, keys and values.

    They take one of `DTYPES` on a CPU, with memory of its own: not the stand-ins of a trace or an export.
    """
    suits = all(x.device.type == "cpu" and x.dtype in DTYPES and is_concrete(x) for x in maps)
    return suits and len({x.dtype for x in maps}) == 1 and library() is not None


def library() -> ctypes.CDLL | None:
    """The kernels of this source and processor; None where it was not built, or TRIONET_NATIVE is 0."""
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
    for forward in (loaded.trionet_local_forward, loaded.trionet_axial_forward):
        forward.argtypes = [*[pointers] * 6, ctypes.c_int64]
    for backward in (loaded.trionet_local_backward, loaded.trionet_axial_backward):
        backward.argtypes = [*[pointers] * 10, ctypes.c_int64]
    return loaded


def native_attention(
    q_BCHW: Tensor,
    k_BCHW: Tensor,
    v_BVHW: Tensor,
    r_dmm: Tensor,
    heads: int,
    border: Border,
    dropout: float = 0.0,
) -> Tensor:
    """Eq. 1 of the paper, as `trionet_nni.operators.layers.local_attention` defines it.

    Any strides; the result has the memory format and the type of v. Sums are float32.

    Returns:
        [B, V, H, W].

    Raises:
        RuntimeError: the kernel was not built or is switched off, or second derivatives are asked for.
        TypeError: a tensor is not on the CPU, or not float32 or bfloat16 as the others.
        ValueError: the shapes do not fit each other.
    """
    check_takes(q=q_BCHW, k=k_BCHW, v=v_BVHW)
    check_shapes(q_BCHW, k_BCHW, v_BVHW, r_dmm, heads)
    r = r_dmm.float().contiguous()
    seed = drawn_seed(q_BCHW.device) if dropout else 0
    out: Tensor = _NativeAttention.apply(q_BCHW, k_BCHW, v_BVHW, r, heads, border == "mask", seed, dropout)
    return out


def check_takes(**maps: Tensor) -> None:
    """The kernels must be there, and take maps of this type.

    Raises:
        RuntimeError: they were not built or are switched off.
        TypeError: one line that names what does not fit.
    """
    if library() is None:
        allowed = "only after `make native` and unless TRIONET_NATIVE=0"
        raise RuntimeError(f"route: found 'native', allowed {allowed}")
    first = next(iter(maps.values())).dtype
    allowed = str(first) if first in DTYPES else "torch.float32 or torch.bfloat16"
    for name, x in maps.items():
        if x.dtype not in DTYPES or x.dtype != first or x.device.type != "cpu":
            raise TypeError(f"{name}: found {x.dtype} on {x.device}, allowed: {allowed} on cpu")


class _NativeAttention(torch.autograd.Function):
    """Both passes by the kernel; gradients of first order only."""

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        r: Tensor,
        heads: int,
        mask: bool,
        seed: int,
        dropout: float,
    ) -> Tensor:
        """Return [B, V, H, W]."""
        ctx.save_for_backward(q, k, v, r)
        ctx.problem = Problem.of(q, v, heads, seed, dropout, window=r.shape[-1], mask=mask)
        out = torch.empty_like(v)
        call("trionet_local_forward", ctx.problem, q, k, v, r, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of q, k, v and r."""
        if torch.is_grad_enabled():
            raise RuntimeError('local attention has no second derivatives; use route="window" for them')
        q, k, v, r = ctx.saved_tensors
        grads = [torch.empty_like(x) for x in (q, k, v, r)]
        call("trionet_local_backward", ctx.problem, q, k, v, r, grad, *grads)
        return *grads, *[None] * 4


def call(name: str, problem: Problem, *tensors: Tensor) -> None:
    """Call a kernel: maps go with their strides, position tables as bare pointers.

    Raises:
        MemoryError: there was not enough for its rows.
    """
    loaded = library()
    assert loaded is not None
    maps = [_Map(x.data_ptr(), *x.stride()) if x.dim() == 4 else x.data_ptr() for x in tensors]
    arguments = [ctypes.addressof(x) if isinstance(x, _Map) else x for x in maps]
    if getattr(loaded, name)(ctypes.addressof(problem), *arguments, torch.get_num_threads()):
        raise MemoryError("compiled attention found no memory for its rows")
