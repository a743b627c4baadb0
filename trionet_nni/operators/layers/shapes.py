"""Shapes that the compiled kernels of attention rely on: they read memory without looking again."""

from __future__ import annotations

from torch import Tensor


def check_shapes(q_BCHW: Tensor, k_BCHW: Tensor, v_BVHW: Tensor, r_dmm: Tensor, heads: int) -> None:
    """Queries, keys, values and position table must fit each other.

    Raises:
        ValueError: one line that names what does not fit.
    """
    _check_maps(q_BCHW, k_BCHW, v_BVHW, heads)
    window = r_dmm.shape[-1]
    table = [q_BCHW.shape[1] // heads, window, window]
    if list(r_dmm.shape) != table or window % 2 == 0:
        raise ValueError(f"r: found {list(r_dmm.shape)}, allowed: {table} with an odd window")


def check_lines(q_BCHW: Tensor, k_BCHW: Tensor, v_BVHW: Tensor, table_dO: Tensor, heads: int) -> None:
    """Queries, keys, values and the position table of axial attention must fit each other.

    Raises:
        ValueError: one line that names what does not fit.
    """
    _check_maps(q_BCHW, k_BCHW, v_BVHW, heads)
    depth, found = q_BCHW.shape[1] // heads, list(table_dO.shape)
    if len(found) != 2 or found[0] != depth or found[1] % 2 == 0:
        raise ValueError(f"table: found {found}, allowed: [{depth}, an odd number of offsets]")


def _check_maps(q_BCHW: Tensor, k_BCHW: Tensor, v_BVHW: Tensor, heads: int) -> None:
    batch, channels, height, width = q_BCHW.shape
    if channels % heads or v_BVHW.shape[1] % heads:
        found = f"{channels} and {v_BVHW.shape[1]}"
        raise ValueError(f"channels of q and v: found {found}, allowed: multiples of {heads} heads")
    if k_BCHW.shape != q_BCHW.shape:
        raise ValueError(f"k: found {list(k_BCHW.shape)}, allowed: {list(q_BCHW.shape)}, the shape of q")
    values = [batch, v_BVHW.shape[1], height, width]
    if list(v_BVHW.shape) != values:
        raise ValueError(f"v: found {list(v_BVHW.shape)}, allowed: {values}")
