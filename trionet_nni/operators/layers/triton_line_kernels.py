"""Triton kernels of attention along lines: blocks of positions in the map's order, one key at a time.

Neighbours of a block lie side by side in memory for either axis; each walks the keys of its own line. Sums
are float32 whatever the inputs. Maps are [B, H, W, channels] in memory (channels last), the table is
[2·L − 1, channels]. Dropout is Philox on (seed, query, key), so that every pass draws the same mask.

Names: N positions of a block, D channels of a head rounded up to a power of 2, L positions of a line.
Imported only where Triton is (by `triton_lines`).
"""

from __future__ import annotations

import triton
import triton.language as tl

from trionet_nni.operators.layers.triton_kernels import FAR, dropped


@triton.jit
def _block(tile, total, height, width, AXIS: tl.constexpr, N: tl.constexpr):
    """(row, image and head, position on its line, first place of its line) [N], and which rows exist."""
    row = tl.arange(0, N).to(tl.int64) + tile * N
    place = row % (height * width)
    position = place // width if AXIS == 2 else place % width
    first = place % width if AXIS == 2 else place // width * width
    return row, row // (height * width), position, first, row < total


@triton.jit
def _places(group, place, there, heads, height, width, WIDTH: tl.constexpr, D: tl.constexpr):
    """Offsets [N, D] of a head's channels in a map of heads · WIDTH channels, and which of them exist."""
    channel = tl.arange(0, D)
    position = (group // heads) * height * width + place
    offset = (position * heads + group % heads)[:, None] * WIDTH + channel[None, :]
    return offset, there[:, None] & (channel < WIDTH)[None, :]


@triton.jit
def _read(pointer, group, place, there, heads, height, width, WIDTH: tl.constexpr, D: tl.constexpr):
    """[N, D] in float32; zeros where there is nothing."""
    offset, exists = _places(group, place, there, heads, height, width, WIDTH, D)
    return tl.load(pointer + offset, mask=exists, other=0.0).to(tl.float32)


@triton.jit
def _write(pointer, value, group, place, there, heads, height, width, WIDTH: tl.constexpr, D: tl.constexpr):
    offset, exists = _places(group, place, there, heads, height, width, WIDTH, D)
    tl.store(pointer + offset, value.to(pointer.dtype.element_ty), mask=exists)


@triton.jit
def _rows(table, offset, there, WIDTH: tl.constexpr, D: tl.constexpr):
    """Vectors r of these offsets, [N, D]."""
    channel = tl.arange(0, D)
    exists = there[:, None] & (channel < WIDTH)[None, :]
    return tl.load(table + offset[:, None] * WIDTH + channel[None, :], mask=exists, other=0.0)


@triton.jit
def forward(
    q, k, v, table, out, lse, seed, rate, total, heads, height, width,
    QK: tl.constexpr, V: tl.constexpr, AXIS: tl.constexpr, DROP: tl.constexpr,
    N: tl.constexpr, DQ: tl.constexpr, DV: tl.constexpr,
):  # fmt: skip
    """One program a block: out, and the log-sum-exp of every position and head."""
    row, group, position, first, there = _block(tl.program_id(0), total, height, width, AXIS, N)
    length, step = (height, width) if AXIS == 2 else (width, 1)
    query = _read(q, group, first + position * step, there, heads, height, width, QK, DQ)
    largest = tl.full((N,), FAR, tl.float32)
    sum_ = tl.zeros((N,), tl.float32)
    result = tl.zeros((N, DV), tl.float32)
    for p in range(length):
        key = _read(k, group, first + p * step, there, heads, height, width, QK, DQ)
        key += _rows(table, p - position + length - 1, there, QK, DQ)
        logit = tl.sum(query * key, 1)
        larger = tl.maximum(largest, logit)
        shrink = tl.exp(largest - larger)
        weight = tl.exp(logit - larger)
        sum_ = sum_ * shrink + weight
        if DROP:
            weight = tl.where(dropped(seed, row * length + p, rate), 0.0, weight / (1 - rate))
        value = _read(v, group, first + p * step, there, heads, height, width, V, DV)
        result = result * shrink[:, None] + weight[:, None] * value
        largest = larger
    _write(out, result / sum_[:, None], group, first + position * step, there, heads, height, width, V, DV)
    tl.store(lse + row, largest + tl.log(sum_), mask=there)


@triton.jit
def backward_queries(
    q, k, v, table, out, lse, grad, delta, grad_q, seed, rate, total, heads, height, width,
    QK: tl.constexpr, V: tl.constexpr, AXIS: tl.constexpr, DROP: tl.constexpr,
    N: tl.constexpr, DQ: tl.constexpr, DV: tl.constexpr,
):  # fmt: skip
    """Gradient of q, and Σ grad·out (`delta`) for the other kernels."""
    row, group, position, first, there = _block(tl.program_id(0), total, height, width, AXIS, N)
    length, step = (height, width) if AXIS == 2 else (width, 1)
    place = first + position * step
    query = _read(q, group, place, there, heads, height, width, QK, DQ)
    given = _read(grad, group, place, there, heads, height, width, V, DV)
    mean = tl.sum(given * _read(out, group, place, there, heads, height, width, V, DV), 1)
    tl.store(delta + row, mean, mask=there)
    log_sum = tl.load(lse + row, mask=there, other=0.0)
    result = tl.zeros((N, DQ), tl.float32)
    for p in range(length):
        key = _read(k, group, first + p * step, there, heads, height, width, QK, DQ)
        key += _rows(table, p - position + length - 1, there, QK, DQ)
        weight = tl.exp(tl.sum(query * key, 1) - log_sum)
        slope = tl.sum(given * _read(v, group, first + p * step, there, heads, height, width, V, DV), 1)
        if DROP:
            slope = tl.where(dropped(seed, row * length + p, rate), 0.0, slope / (1 - rate))
        result += (weight * (slope - mean))[:, None] * key
    _write(grad_q, result, group, place, there, heads, height, width, QK, DQ)


@triton.jit
def backward_keys(
    q, k, v, table, lse, grad, delta, grad_k, grad_v, seed, rate, total, heads, height, width,
    QK: tl.constexpr, V: tl.constexpr, AXIS: tl.constexpr, DROP: tl.constexpr,
    N: tl.constexpr, DQ: tl.constexpr, DV: tl.constexpr,
):  # fmt: skip
    """Gradients of k and v, gathered at the key from the queries of its line."""
    row, group, position, first, there = _block(tl.program_id(0), total, height, width, AXIS, N)
    length, step = (height, width) if AXIS == 2 else (width, 1)
    place = first + position * step
    key = _read(k, group, place, there, heads, height, width, QK, DQ)
    value = _read(v, group, place, there, heads, height, width, V, DV)
    to_key = tl.zeros((N, DQ), tl.float32)
    to_value = tl.zeros((N, DV), tl.float32)
    for o in range(length):
        asking = row - place + first + o * step  # the query's row
        query = _read(q, group, first + o * step, there, heads, height, width, QK, DQ)
        given = _read(grad, group, first + o * step, there, heads, height, width, V, DV)
        logit = tl.sum(query * (key + _rows(table, position - o + length - 1, there, QK, DQ)), 1)
        weight = tl.exp(logit - tl.load(lse + asking, mask=there, other=0.0))
        slope = tl.sum(given * value, 1)
        left = weight
        if DROP:
            out_ = dropped(seed, asking * length + position, rate)
            slope = tl.where(out_, 0.0, slope / (1 - rate))
            left = tl.where(out_, 0.0, weight / (1 - rate))
        slope = weight * (slope - tl.load(delta + asking, mask=there, other=0.0))
        to_key += slope[:, None] * query
        to_value += left[:, None] * given
    _write(grad_k, to_key, group, place, there, heads, height, width, QK, DQ)
    _write(grad_v, to_value, group, place, there, heads, height, width, V, DV)


@triton.jit
def backward_table(
    q, k, v, table, lse, grad, delta, grad_table, seed, rate, total, heads, height, width,
    QK: tl.constexpr, V: tl.constexpr, AXIS: tl.constexpr, DROP: tl.constexpr,
    N: tl.constexpr, DQ: tl.constexpr, DV: tl.constexpr,
):  # fmt: skip
    """Each program's share of one offset's gradient: grad_table is [shares, 2·L − 1, DQ].

    Program (t, i) takes every num_programs(1)-th block, from the i-th on, for the offset t.
    """
    t, share = tl.program_id(0), tl.program_id(1)
    length, step = (height, width) if AXIS == 2 else (width, 1)
    result = tl.zeros((N, DQ), tl.float32)
    for tile in range(share, tl.cdiv(total, N), tl.num_programs(1)):
        row, group, position, first, there = _block(tile, total, height, width, AXIS, N)
        p = position + t - length + 1
        there = there & (p >= 0) & (p < length)
        place = first + position * step
        query = _read(q, group, place, there, heads, height, width, QK, DQ)
        given = _read(grad, group, place, there, heads, height, width, V, DV)
        key = _read(k, group, first + p * step, there, heads, height, width, QK, DQ)
        key += _rows(table, p - position + length - 1, there, QK, DQ)
        weight = tl.exp(tl.sum(query * key, 1) - tl.load(lse + row, mask=there, other=0.0))
        slope = tl.sum(given * _read(v, group, first + p * step, there, heads, height, width, V, DV), 1)
        if DROP:
            slope = tl.where(dropped(seed, row * length + p, rate), 0.0, slope / (1 - rate))
        slope = weight * (slope - tl.load(delta + row, mask=there, other=0.0))
        result += slope[:, None] * query  # where nothing is, the query is zeros
    channel = tl.arange(0, DQ)
    tl.store(grad_table + (share * tl.num_programs(0) + t) * DQ + channel, tl.sum(result, 0))
