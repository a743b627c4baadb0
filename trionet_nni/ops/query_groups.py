"""Attention of groups of queries to groups of keys, in pieces that fit a cache.

The exact formula of Eq. 1 for one group at a time; nothing of the size of the logits is kept for the
backward pass, which computes them again (as FlashAttention does, Dao et al. 2022).

Shapes: G groups (image × head × block), Q queries of a group, K keys of it, E columns without a key,
d channels of a head, P offsets of the window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# Elements of the logits held at a time on a CPU: 4 MB, about a core's share of the cache.
_PIECE_ELEMENTS = 1 << 20


@dataclass(frozen=True)
class Geometry:
    """Which key lies at which offset, the same for every group.

    A column without a key stands for a zero vector: its logit is q·r alone and its value 0.

    Attributes:
        offset_of_column: int64 [Q · (K + E)]: for each (query, column) its place in the flat q·r of all
            queries; Q · P means that the column is outside the window.
        column_of_offset: int64 [Q · P]: the inverse, a place in the flat logits.
        keys: K.
    """

    offset_of_column: Tensor
    column_of_offset: Tensor
    keys: int


class GroupAttention(torch.autograd.Function):
    """softmax(q·k + spread(q·r)) · v with a recomputing backward pass; gradients of first order only."""

    @staticmethod
    def forward(
        ctx: Any, q_GQd: Tensor, k_GdK: Tensor, v_GVK: Tensor, r_dP: Tensor, geometry: Geometry
    ) -> Tensor:
        """Return [G, Q, V]."""
        out_GQV = q_GQd.new_empty(*q_GQd.shape[:2], v_GVK.shape[1])
        for piece in _pieces(q_GQd, geometry):
            weights = _weights(q_GQd[piece], k_GdK[piece], r_dP, geometry)[..., : geometry.keys]
            torch.bmm(weights, v_GVK[piece].transpose(1, 2), out=out_GQV[piece])
        ctx.save_for_backward(q_GQd, k_GdK, v_GVK, r_dP, out_GQV)
        ctx.geometry = geometry
        return out_GQV

    @staticmethod
    def backward(ctx: Any, grad_GQV: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of q, k, v and r.

        Raises:
            RuntimeError: a graph of the gradients was asked for (create_graph=True).
        """
        if torch.is_grad_enabled():
            raise RuntimeError('local attention has no second derivatives; use route="window" for them')
        q, k, v, r, out = ctx.saved_tensors
        geometry: Geometry = ctx.geometry
        grad_q, grad_k, grad_v = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        grad_r = torch.zeros_like(r)
        for piece in _pieces(q, geometry):
            q_, k_, v_, grad = q[piece], k[piece], v[piece], grad_GQV[piece]
            weights = _weights(q_, k_, r, geometry)
            at_keys = weights[..., : geometry.keys]
            torch.bmm(grad.transpose(1, 2), at_keys, out=grad_v[piece])
            inner = (grad * out[piece]).sum(-1, keepdim=True)
            if geometry.keys == weights.shape[-1]:
                grad_logits = torch.bmm(grad, v_).sub_(inner).mul_(weights)
            else:  # what has no key has the value 0
                grad_logits = torch.mul(weights, inner).neg_()
                grad_logits[..., : geometry.keys].addcmul_(torch.bmm(grad, v_), at_keys)
            grad_keys = grad_logits[..., : geometry.keys]
            torch.bmm(q_.transpose(1, 2), grad_keys, out=grad_k[piece])
            grad_qr = grad_logits.flatten(1).index_select(1, geometry.column_of_offset)
            grad_qr = grad_qr.view(-1, r.shape[1])
            grad_r += q_.flatten(0, 1).t() @ grad_qr
            torch.baddbmm((grad_qr @ r.t()).view_as(q_), grad_keys, k_.transpose(1, 2), out=grad_q[piece])
        return grad_q, grad_k, grad_v, grad_r, None


def _pieces(q_GQd: Tensor, geometry: Geometry) -> list[slice]:
    groups = q_GQd.shape[0]
    size = max(1, _PIECE_ELEMENTS // geometry.offset_of_column.numel())
    if q_GQd.device.type != "cpu":
        size *= 256
    return [slice(start, min(start + size, groups)) for start in range(0, groups, size)]


def _weights(q: Tensor, k: Tensor, r: Tensor, geometry: Geometry) -> Tensor:
    """Attention weights [G, Q, K + E]; exactly 0 outside the window."""
    logits = _spread(q @ r, geometry)
    logits[..., : geometry.keys].baddbmm_(q, k)
    return logits.softmax(-1)


def _spread(qr_GQP: Tensor, geometry: Geometry) -> Tensor:
    """Move q·r from the offset p − o to the column of p; columns outside the window get −∞."""
    groups, queries, _ = qr_GQP.shape
    outside = qr_GQP.new_full((groups, 1), float("-inf"))
    flat = torch.cat((qr_GQP.reshape(groups, -1), outside), 1)
    return flat.index_select(1, geometry.offset_of_column).view(groups, queries, -1)
