"""The routes of local attention: several exact ways to compute Eq. 1, and which one is taken when.

The order and the limits are measurements: `python -m benchmarks.local_attention --routes`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from trionet_nni.ops.border import Border
from trionet_nni.ops.dense_attention import dense_attention
from trionet_nni.ops.halo_attention import halo_attention
from trionet_nni.ops.window_attention import window_attention

Route = Literal["auto", "window", "dense", "halo"]
Attend = Callable[[Tensor, Tensor, Tensor, Tensor, int, Border], Tensor]

ROUTES: dict[str, Attend] = {
    "window": window_attention,
    "dense": dense_attention,
    "halo": halo_attention,
}
# Positions of a map up to which all pairs cost less than blocks with their halo.
_DENSE_POSITIONS = 196


def route_for(q_BCHW: Tensor, window: int) -> str:
    """The route that "auto" takes for queries of this shape, type and device.

    Args:
        window: side m of the window.
    """
    if q_BCHW.is_meta:  # FLOPs are counted there, and only the formula has them right
        return "window"
    return torch_route(q_BCHW)


def torch_route(q_BCHW: Tensor) -> str:
    """The best route without compiled code."""
    return "dense" if q_BCHW.shape[2] * q_BCHW.shape[3] <= _DENSE_POSITIONS else "halo"


def compiled_routes(device: str) -> list[str]:
    """Routes of compiled code that can be used now on a type of device ("cpu", "cuda")."""
    return []


def attend(route: str, q: Tensor, k: Tensor, v: Tensor, r: Tensor, heads: int, border: Border) -> Tensor:
    """Eq. 1 by a route; see `local_attention`.

    Raises:
        ValueError: no route has this name.
    """
    name = route_for(q, r.shape[-1]) if route == "auto" else route
    if name not in ROUTES:
        raise ValueError(f"route: found {route!r}, allowed: auto, {', '.join(ROUTES)}")
    return ROUTES[name](q, k, v, r, heads, border)
