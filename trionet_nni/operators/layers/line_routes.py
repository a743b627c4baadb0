"""The routes of attention along lines: several exact ways to compute it, and which one is taken when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from trionet_nni.operators.layers import native_attention as native
from trionet_nni.operators.layers.line_attention import line_attention
from trionet_nni.operators.layers.native_lines import native_lines

LineRoute = Literal["auto", "formula", "native"]
AttendLines = Callable[..., Tensor]  # of q, k, v, table, heads, axis, dropout

LINE_ROUTES: dict[str, AttendLines] = {"formula": line_attention, "native": native_lines}


def line_route_for(q_BCHW: Tensor, k_BCHW: Tensor, v_BVHW: Tensor) -> str:
    """The route that "auto" takes for maps of these types on this device."""
    return "native" if native.is_available(q_BCHW, k_BCHW, v_BVHW) else "formula"


def attend_lines(
    route: str,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    table: Tensor,
    heads: int,
    axis: int,
    dropout: float = 0.0,
) -> Tensor:
    """Attention along an axis by a route; see `line_attention`.

    Raises:
        ValueError: no route has this name.
    """
    name = line_route_for(q, k, v) if route == "auto" else route
    if name not in LINE_ROUTES:
        raise ValueError(f"route: found {route!r}, allowed: auto, {', '.join(LINE_ROUTES)}")
    return LINE_ROUTES[name](q, k, v, table, heads, axis, dropout)
