"""Triton kernels of local attention: square blocks of positions, one offset of the window at a time.

A program holds its block's queries (or keys) in registers and walks the m² offsets; the keys with their
halo are read m² times, all but the first from the cache. Sums are float32 whatever the inputs. Maps are
[B, H, W, channels] in memory (channels last), so that a head's channels lie side by side.

Names: N positions of a block, D channels of a head rounded up to a power of 2, `y`, `x` places in the map.
Imported only where Triton is (by `triton_attention`).
"""

from __future__ import annotations

import triton
import triton.language as tl

# Below every logit, yet its difference to itself is a number: a first offset outside the map is wiped
# out by the first one inside.
FAR = tl.constexpr(-1.0e30)


@triton.jit
def dropped(seed, pair, rate):
    """Whether the weights of these pairs of a query and a key are dropped: Philox on (seed, pair)."""
    return tl.rand(tl.load(seed), pair) < rate


@triton.jit
def _block(tile, height, width, SIDE: tl.constexpr):
    """(image and head, y [N], x [N]) of a tile; places beyond the map are masked by those who use them."""
    across = tl.cdiv(width, SIDE)
    blocks = tl.cdiv(height, SIDE) * across
    place = tile % blocks
    inner = tl.arange(0, SIDE * SIDE)
    y = place // across * SIDE + inner // SIDE
    x = place % across * SIDE + inner % SIDE
    return tile // blocks, y, x


@triton.jit
def _inside(y, x, height, width):
    return (y >= 0) & (y < height) & (x >= 0) & (x < width)


@triton.jit
def _places(group, heads, y, x, height, width, WIDTH: tl.constexpr, D: tl.constexpr):
    """Offsets [N, D] of a head's channels in a map of heads · WIDTH channels, and which of them exist."""
    channel = tl.arange(0, D)
    position = (group // heads).to(tl.int64) * height * width + y * width + x
    offset = (position * heads + group % heads)[:, None] * WIDTH + channel[None, :]
    return offset, _inside(y, x, height, width)[:, None] & (channel < WIDTH)[None, :]


@triton.jit
def _read(pointer, group, heads, y, x, height, width, WIDTH: tl.constexpr, D: tl.constexpr):
    """[N, D] in float32; zeros outside the map."""
    offset, there = _places(group, heads, y, x, height, width, WIDTH, D)
    return tl.load(pointer + offset, mask=there, other=0.0).to(tl.float32)


@triton.jit
def _write(pointer, value, group, heads, y, x, height, width, WIDTH: tl.constexpr, D: tl.constexpr):
    offset, there = _places(group, heads, y, x, height, width, WIDTH, D)
    tl.store(pointer + offset, value.to(pointer.dtype.element_ty), mask=there)


@triton.jit
def _row(table, offset, WIDTH: tl.constexpr, D: tl.constexpr):
    """Vector r of one offset of the window, [1, D]."""
    channel = tl.arange(0, D)
    return tl.load(table + offset * WIDTH + channel, mask=channel < WIDTH, other=0.0)[None, :]


@triton.jit
def forward(
    q, k, v, table, out, lse, seed, rate, heads, height, width,
    QK: tl.constexpr, V: tl.constexpr, WINDOW: tl.constexpr, MASK: tl.constexpr, DROP: tl.constexpr,
    SIDE: tl.constexpr, DQ: tl.constexpr, DV: tl.constexpr,
):  # fmt: skip
    """One program a tile: out, and the log-sum-exp of every position and head."""
    group, y, x = _block(tl.program_id(0), height, width, SIDE)
    query = _read(q, group, heads, y, x, height, width, QK, DQ)
    at = group.to(tl.int64) * height * width + y * width + x
    largest = tl.full((SIDE * SIDE,), FAR, tl.float32)
    total = tl.zeros((SIDE * SIDE,), tl.float32)
    result = tl.zeros((SIDE * SIDE, DV), tl.float32)
    for offset in range(WINDOW * WINDOW):
        ky = y + offset // WINDOW - WINDOW // 2
        kx = x + offset % WINDOW - WINDOW // 2
        key = _read(k, group, heads, ky, kx, height, width, QK, DQ) + _row(table, offset, QK, DQ)
        logit = tl.sum(query * key, 1)
        if MASK:
            logit = tl.where(_inside(ky, kx, height, width), logit, FAR)
        larger = tl.maximum(largest, logit)
        shrink = tl.exp(largest - larger)
        weight = tl.exp(logit - larger)
        total = total * shrink + weight
        if DROP:
            out_ = dropped(seed, at * (WINDOW * WINDOW) + offset, rate)
            weight = tl.where(out_, 0.0, weight / (1 - rate))
        value = _read(v, group, heads, ky, kx, height, width, V, DV)
        result = result * shrink[:, None] + weight[:, None] * value
        largest = larger
    _write(out, result / total[:, None], group, heads, y, x, height, width, V, DV)
    tl.store(lse + at, largest + tl.log(total), mask=_inside(y, x, height, width))


@triton.jit
def backward_queries(
    q, k, v, table, out, lse, grad, delta, grad_q, grad_table, seed, rate, tiles, heads, height, width,
    QK: tl.constexpr, V: tl.constexpr, WINDOW: tl.constexpr, MASK: tl.constexpr, DROP: tl.constexpr,
    SIDE: tl.constexpr, DQ: tl.constexpr, DV: tl.constexpr, TAPS: tl.constexpr,
):  # fmt: skip
    """Gradient of q, Σ grad·out (`delta`, for `backward_keys`), and each program's share of the table's.

    A program takes every num_programs-th tile, so that the shares are few: grad_table is
    [programs, TAPS, DQ], with TAPS = m² rounded up to a power of 2.
    """
    tap = tl.arange(0, TAPS)[:, None]
    share = tl.zeros((TAPS, DQ), tl.float32)
    for tile in range(tl.program_id(0), tiles, tl.num_programs(0)):
        group, y, x = _block(tile, height, width, SIDE)
        there = _inside(y, x, height, width)
        at = group.to(tl.int64) * height * width + y * width + x
        query = _read(q, group, heads, y, x, height, width, QK, DQ)
        given = _read(grad, group, heads, y, x, height, width, V, DV)
        mean = tl.sum(given * _read(out, group, heads, y, x, height, width, V, DV), 1)
        tl.store(delta + at, mean, mask=there)
        log_sum = tl.load(lse + at, mask=there, other=0.0)
        result = tl.zeros((SIDE * SIDE, DQ), tl.float32)
        for offset in range(WINDOW * WINDOW):
            ky = y + offset // WINDOW - WINDOW // 2
            kx = x + offset % WINDOW - WINDOW // 2
            key = _read(k, group, heads, ky, kx, height, width, QK, DQ) + _row(table, offset, QK, DQ)
            logit = tl.sum(query * key, 1)
            if MASK:
                logit = tl.where(_inside(ky, kx, height, width), logit, FAR)
            value = _read(v, group, heads, ky, kx, height, width, V, DV)
            slope = tl.sum(given * value, 1)
            if DROP:
                out_ = dropped(seed, at * (WINDOW * WINDOW) + offset, rate)
                slope = tl.where(out_, 0.0, slope / (1 - rate))
            slope = tl.exp(logit - log_sum) * (slope - mean)
            result += slope[:, None] * key
            share += tl.where(tap == offset, tl.sum(slope[:, None] * query, 0)[None, :], 0.0)
        _write(grad_q, result, group, heads, y, x, height, width, QK, DQ)
    at_share = (tl.program_id(0) * TAPS + tap) * DQ + tl.arange(0, DQ)[None, :]
    tl.store(grad_table + at_share, share)


@triton.jit
def backward_keys(
    q, k, v, table, lse, grad, delta, grad_k, grad_v, seed, rate, heads, height, width,
    QK: tl.constexpr, V: tl.constexpr, WINDOW: tl.constexpr, DROP: tl.constexpr,
    SIDE: tl.constexpr, DQ: tl.constexpr, DV: tl.constexpr,
):  # fmt: skip
    """Gradients of k and v, gathered at the key from the queries around it."""
    group, y, x = _block(tl.program_id(0), height, width, SIDE)
    key = _read(k, group, heads, y, x, height, width, QK, DQ)
    value = _read(v, group, heads, y, x, height, width, V, DV)
    to_key = tl.zeros((SIDE * SIDE, DQ), tl.float32)
    to_value = tl.zeros((SIDE * SIDE, DV), tl.float32)
    for offset in range(WINDOW * WINDOW):
        qy = y - offset // WINDOW + WINDOW // 2
        qx = x - offset % WINDOW + WINDOW // 2
        there = _inside(qy, qx, height, width)
        at = group.to(tl.int64) * height * width + qy * width + qx
        # A query outside the map is read as zeros, and so is its gradient: it gives nothing.
        query = _read(q, group, heads, qy, qx, height, width, QK, DQ)
        given = _read(grad, group, heads, qy, qx, height, width, V, DV)
        logit = tl.sum(query * (key + _row(table, offset, QK, DQ)), 1)
        weight = tl.exp(logit - tl.load(lse + at, mask=there, other=0.0))
        mean = tl.load(delta + at, mask=there, other=0.0)
        slope = tl.sum(given * value, 1)
        left = weight
        if DROP:
            out_ = dropped(seed, at * (WINDOW * WINDOW) + offset, rate)
            slope = tl.where(out_, 0.0, slope / (1 - rate))
            left = tl.where(out_, 0.0, weight / (1 - rate))
        slope = weight * (slope - mean)
        to_key += slope[:, None] * query
        to_value += left[:, None] * given
    _write(grad_k, to_key, group, heads, y, x, height, width, QK, DQ)
    _write(grad_v, to_value, group, heads, y, x, height, width, V, DV)
