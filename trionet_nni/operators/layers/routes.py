"""The routes of local attention: several exact ways to compute Eq. 1, and which one is taken when.

The order and the limits are measurements: `python -m benchmarks.local_attention --routes`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from trionet_nni.operators.layers import native_attention as native
from trionet_nni.operators.layers import triton_attention as triton
from trionet_nni.operators.layers.border import Border
from trionet_nni.operators.layers.concrete import is_concrete
from trionet_nni.operators.layers.dense_attention import dense_attention
from trionet_nni.operators.layers.halo_attention import halo_attention
from trionet_nni.operators.layers.shift_attention import shift_attention
from trionet_nni.operators.layers.window_attention import window_attention

Route = Literal["auto", "window", "dense", "halo", "shift", "native", "triton"]
Attend = Callable[..., Tensor]  # of q, k, v, r, heads, border and, for some, dropout

ROUTES: dict[str, Attend] = {
    "window": window_attention,
    "dense": dense_attention,
    "halo": halo_attention,
    "shift": shift_attention,
    "native": native.native_attention,
    "triton": triton.triton_attention,
}
# Routes that can drop attention weights: they hold them, or hash their mask from a seed.
DROPOUT_ROUTES = ("window", "dense", "halo", "native", "triton")
# Positions of a map up to which all pairs cost less than blocks with their halo.
_DENSE_POSITIONS = 196
# Window up to which m² shifted products cost less than blocks, most of whose logits are outside it.
_SHIFT_WINDOW = 3


def route_for(q_BCHW: Tensor, window: int) -> str:
    """The route that "auto" takes for queries of this shape, type and device.

    Whoever counts FLOPs, compiles, traces or exports has the formula: it is plain torch, for any batch and
    size, and its FLOPs are the right ones.

    Args:
        window: side m of the window.
    """
    if not is_concrete(q_BCHW):
        return "window"
    if native.is_available(q_BCHW):
        return "native"
    if triton.is_available(q_BCHW):
        return "triton"
    return torch_route(q_BCHW, window)


def torch_route(q_BCHW: Tensor, window: int) -> str:
    """The best route without compiled code."""
    if q_BCHW.shape[2] * q_BCHW.shape[3] <= _DENSE_POSITIONS:
        return "dense"
    # Only measured on CPUs: on a GPU m² small kernels for each pass would have to be timed first.
    return "shift" if window <= _SHIFT_WINDOW and q_BCHW.device.type == "cpu" else "halo"


def compiled_routes(device: str) -> list[str]:
    """Routes of compiled code that can be used now on a type of device ("cpu", "cuda")."""
    if device == "cpu":
        return ["native"] if native.library() is not None else []
    return ["triton"] if triton.is_available(torch.empty(0, device=device)) else []


def dropout_route(q_BCHW: Tensor) -> str:
    """The route that "auto" takes where attention weights are dropped."""
    if not is_concrete(q_BCHW):
        return "window"
    if native.is_available(q_BCHW):
        return "native"
    if triton.is_available(q_BCHW):
        return "triton"
    return "dense" if q_BCHW.shape[2] * q_BCHW.shape[3] <= _DENSE_POSITIONS else "halo"


def attend(
    route: str,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    r: Tensor,
    heads: int,
    border: Border,
    dropout: float = 0.0,
) -> Tensor:
    """Eq. 1 by a route; see `local_attention`.

    Raises:
        ValueError: no route has this name, or this one cannot drop attention weights.
    """
    if dropout:
        name = dropout_route(q) if route == "auto" else route
        if name not in DROPOUT_ROUTES:
            raise ValueError(f"route: found {route!r} with dropout, allowed: {', '.join(DROPOUT_ROUTES)}")
        return ROUTES[name](q, k, v, r, heads, border, dropout)
    name = route_for(q, r.shape[-1]) if route == "auto" else route
    if name not in ROUTES:
        raise ValueError(f"route: found {route!r}, allowed: auto, {', '.join(ROUTES)}")
    return ROUTES[name](q, k, v, r, heads, border)
