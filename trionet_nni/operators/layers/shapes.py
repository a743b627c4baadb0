"""Shapes that the kernels of local attention rely on: they read memory without looking again."""

from __future__ import annotations

from torch import Tensor


def check_shapes(q_BCHW: Tensor, k_BCHW: Tensor, v_BVHW: Tensor, r_dmm: Tensor, heads: int) -> None:
    """Queries, keys, values and position table must fit each other.

    Raises:
        ValueError: one line that names what does not fit.
    """
    batch, channels, height, width = q_BCHW.shape
    if channels % heads or v_BVHW.shape[1] % heads:
        found = f"{channels} and {v_BVHW.shape[1]}"
        raise ValueError(f"channels of q and v: found {found}, allowed: multiples of {heads} heads")
    if k_BCHW.shape != q_BCHW.shape:
        raise ValueError(f"k: found {list(k_BCHW.shape)}, allowed: {list(q_BCHW.shape)}, the shape of q")
    values = [batch, v_BVHW.shape[1], height, width]
    if list(v_BVHW.shape) != values:
        raise ValueError(f"v: found {list(v_BVHW.shape)}, allowed: {values}")
    window = r_dmm.shape[-1]
    table = [channels // heads, window, window]
    if list(r_dmm.shape) != table or window % 2 == 0:
        raise ValueError(f"r: found {list(r_dmm.shape)}, allowed: {table} with an odd window")
