"""Attention of query blocks to their halo blocks of keys, in pieces that fit a cache.

The exact formula of Eq. 1 for one block of queries at a time; nothing of the size of the logits is
kept for the backward pass, which computes them again (as FlashAttention does, Dao et al. 2022).

Shapes: G groups (image × head × block), Q queries of a block, K keys of it with its halo, d channels of
a head, P offsets of the window.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

# Elements of the logits held at a time on a CPU: 4 MB, about a core's share of the cache.
_PIECE_ELEMENTS = 1 << 20


class BlockAttention(torch.autograd.Function):
    """softmax(q·k + spread(q·r)) · v with a recomputing backward pass; gradients of first order only."""

    @staticmethod
    def forward(
        ctx: Any, q_GQd: Tensor, k_GdK: Tensor, v_GVK: Tensor, r_dP: Tensor, block: int, window: int
    ) -> Tensor:
        """Return [G, Q, V]."""
        out_GQV = q_GQd.new_empty(*q_GQd.shape[:2], v_GVK.shape[1])
        for piece in _pieces(q_GQd, k_GdK):
            weights = _weights(q_GQd[piece], k_GdK[piece], r_dP, block, window)
            torch.bmm(weights, v_GVK[piece].transpose(1, 2), out=out_GQV[piece])
        ctx.save_for_backward(q_GQd, k_GdK, v_GVK, r_dP, out_GQV)
        ctx.block, ctx.window = block, window
        return out_GQV

    @staticmethod
    def backward(ctx: Any, grad_GQV: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of q, k, v and r.

        Raises:
            RuntimeError: a graph of the gradients was asked for (create_graph=True).
        """
        if torch.is_grad_enabled():
            raise RuntimeError('local attention has no second derivatives; use route="unfold" for them')
        q, k, v, r, out = ctx.saved_tensors
        grad_q, grad_k, grad_v = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        grad_r = torch.zeros_like(r)
        to_offset = _key_of_offset(ctx.block, ctx.window, q.device)
        for piece in _pieces(q, k):
            q_, k_, v_, grad = q[piece], k[piece], v[piece], grad_GQV[piece]
            weights = _weights(q_, k_, r, ctx.block, ctx.window)
            torch.bmm(grad.transpose(1, 2), weights, out=grad_v[piece])
            inner = (grad * out[piece]).sum(-1, keepdim=True)
            grad_logits = torch.bmm(grad, v_).sub_(inner).mul_(weights)
            torch.bmm(q_.transpose(1, 2), grad_logits, out=grad_k[piece])
            grad_qr = grad_logits.flatten(1).index_select(1, to_offset).view(*q_.shape[:2], -1)
            grad_r += q_.flatten(0, 1).t() @ grad_qr.flatten(0, 1)
            torch.baddbmm(
                (grad_qr.flatten(0, 1) @ r.t()).view_as(q_),
                grad_logits,
                k_.transpose(1, 2),
                out=grad_q[piece],
            )
        return grad_q, grad_k, grad_v, grad_r, None, None


def _pieces(q_GQd: Tensor, k_GdK: Tensor) -> list[slice]:
    groups = q_GQd.shape[0]
    size = max(1, _PIECE_ELEMENTS // (q_GQd.shape[1] * k_GdK.shape[2]))
    if q_GQd.device.type != "cpu":
        size *= 256
    return [slice(start, min(start + size, groups)) for start in range(0, groups, size)]


def _weights(q: Tensor, k: Tensor, r: Tensor, block: int, window: int) -> Tensor:
    """Attention weights [G, Q, K]; exactly 0 outside the window."""
    logits = torch.baddbmm(spread(q @ r, block, window), q, k)
    return logits.softmax(-1)


def spread(qr_GQP: Tensor, block: int, window: int) -> Tensor:
    """Move q·r from the offset p − o to the key p of the halo block; keys outside the window get −∞."""
    groups = qr_GQP.shape[0]
    outside = qr_GQP.new_full((groups, 1), float("-inf"))
    flat = torch.cat((qr_GQP.reshape(groups, -1), outside), 1)
    index = _offset_of_key(block, window, qr_GQP.device)
    return flat.index_select(1, index).view(groups, block**2, -1)


@lru_cache(maxsize=64)
def _offset_of_key(block: int, window: int, device: torch.device) -> Tensor:
    """For each (query, key), its place in the flat q·r of all queries; the last place means outside."""
    offset, valid = _offsets(block, window)
    query = torch.arange(block**2)[:, None]
    index = torch.where(valid, query * window**2 + offset, block**2 * window**2)
    return index.flatten().to(device)


@lru_cache(maxsize=64)
def _key_of_offset(block: int, window: int, device: torch.device) -> Tensor:
    """For each (query, offset), its place in the flat logits: the inverse of `_offset_of_key`."""
    offset, valid = _offsets(block, window)
    keys = offset.shape[1]
    index = torch.empty(block**2, window**2, dtype=torch.long)
    query, key = valid.nonzero(as_tuple=True)
    index[query, offset[query, key]] = query * keys + key
    return index.flatten().to(device)


def _offsets(block: int, window: int) -> tuple[Tensor, Tensor]:
    """For each (query, key): the offset in the window, and whether the key lies in it."""
    line = torch.arange(block + window - 1)[None] - torch.arange(block)[:, None]
    inside = (line >= 0) & (line < window)
    offset = line[:, None, :, None] * window + line[None, :, None, :]
    valid = inside[:, None, :, None] & inside[None, :, None, :]
    return offset.reshape(block**2, -1), valid.reshape(block**2, -1)
