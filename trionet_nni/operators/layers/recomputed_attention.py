"""Local attention a few heads at a time, computed again in the backward pass.

The exact formula of Eq. 1; nothing of the size of the logits is kept (as in FlashAttention, Dao et al.
2022), and even the blocks are made anew: what is saved are q, k, v, r and the output. Dropout's mask is not
kept either: the backward pass draws it again from the generator's state of the forward pass.

Shapes: B images, n heads, N = B·n, d channels of a head, H × W map, G groups of queries, Q queries of a
group, K keys of it, E columns without a key, P offsets of the window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from trionet_nni.operators.layers.attention_dropout import Drop

# Elements of the logits held at a time on a CPU: 2 MB, so that they stay in a core's cache.
_PIECE_ELEMENTS = 1 << 19


@dataclass(frozen=True)
class Geometry:
    """Which key lies at which offset, the same for every group.

    A column without a key stands for a zero vector: its logit is q·r alone and its value 0.

    Attributes:
        offset_of_column: int64 [Q · (K + E)]: for each (query, column) its place in the flat q·r of all
            queries; Q · P means that the column is outside the window.
        column_of_offset: int64 [Q · P]: the inverse, a place in the flat logits.
        keys: K.
        groups: of one head of one image.
        bias: [groups, 1, K]: far below 0 at keys that do not exist; None where all do.
    """

    offset_of_column: Tensor
    column_of_offset: Tensor
    keys: int
    groups: int
    bias: Tensor | None = None


class Blocks(Protocol):
    """How a map is divided into groups of queries, each with its keys."""

    geometry: Geometry

    def queries(self, x_NdHW: Tensor) -> Tensor:
        """[N·groups, Q, d]."""
        ...

    def keys(self, x_NdHW: Tensor) -> Tensor:
        """[N·groups, d, K]; zero where the map ends."""
        ...

    def from_queries(self, x_GQd: Tensor) -> Tensor:
        """The inverse of `queries`: [N, d, H, W]."""
        ...

    def from_keys(self, x_GdK: Tensor) -> Tensor:
        """The transpose of `keys`, which adds up what overlaps: [N, d, H, W]."""
        ...


def recomputed_attention(
    q_BCHW: Tensor,
    k_BCHW: Tensor,
    v_BVHW: Tensor,
    r_dP: Tensor,
    heads: int,
    blocks: Blocks,
    dropout: float,
) -> Tensor:
    """dropout(softmax(q·k + spread(q·r))) · v, in q's type: [B, V, H, W].

    Autocast is off within: the backward pass, which computes the weights again, is not under it, and a mask
    of another type would be another mask.
    """
    with torch.autocast(q_BCHW.device.type, enabled=False):
        maps = (x.to(q_BCHW.dtype) for x in (q_BCHW, k_BCHW, v_BVHW, r_dP))
        out: Tensor = _RecomputedAttention.apply(*maps, heads, blocks, dropout)
    return out


class _RecomputedAttention(torch.autograd.Function):
    """dropout(softmax(q·k + spread(q·r))) · v; gradients of first order only."""

    @staticmethod
    def forward(
        ctx: Any,
        q_BCHW: Tensor,
        k_BCHW: Tensor,
        v_BVHW: Tensor,
        r_dP: Tensor,
        heads: int,
        blocks: Blocks,
        dropout: float,
    ) -> Tensor:
        """Return [B, V, H, W]."""
        ctx.drop = Drop(dropout, q_BCHW.device)
        q, k, v = (_by_head(x, heads) for x in (q_BCHW, k_BCHW, v_BVHW))
        out = torch.empty_like(v)
        for piece in _pieces(q, blocks.geometry):
            weights = _weights(blocks.queries(q[piece]), blocks.keys(k[piece]), r_dP, blocks.geometry)
            at_keys = ctx.drop(weights[..., : blocks.geometry.keys])
            out[piece] = blocks.from_queries(torch.bmm(at_keys, blocks.keys(v[piece]).transpose(1, 2)))
        ctx.save_for_backward(q_BCHW, k_BCHW, v_BVHW, r_dP, out)
        ctx.heads, ctx.blocks = heads, blocks
        return out.view(v_BVHW.shape)

    @staticmethod
    def backward(ctx: Any, grad_BVHW: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of q, k, v and r.

        Raises:
            RuntimeError: a graph of the gradients was asked for (create_graph=True).
        """
        if torch.is_grad_enabled():
            raise RuntimeError('local attention has no second derivatives; use route="window" for them')
        *maps, r, out = ctx.saved_tensors
        q, k, v = (_by_head(x, ctx.heads) for x in maps)
        grad, blocks = _by_head(grad_BVHW, ctx.heads), ctx.blocks
        grads = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        grad_r = torch.zeros_like(r)
        with ctx.drop.again():
            for piece in _pieces(q, blocks.geometry):
                inner = (grad[piece] * out[piece]).sum(1, keepdim=True)
                found = _piece_gradients(
                    blocks.queries(q[piece]),
                    blocks.keys(k[piece]),
                    blocks.keys(v[piece]),
                    r,
                    blocks.queries(grad[piece]),
                    blocks.queries(inner),
                    blocks.geometry,
                    ctx.drop,
                )
                grads[0][piece] = blocks.from_queries(found[0])
                grads[1][piece] = blocks.from_keys(found[1])
                grads[2][piece] = blocks.from_keys(found[2])
                grad_r += found[3]
        shaped = (x.view(like.shape) for x, like in zip(grads, maps, strict=True))
        return (*shaped, grad_r, None, None, None)


def _piece_gradients(
    q: Tensor, k: Tensor, v: Tensor, r: Tensor, grad: Tensor, inner: Tensor, geometry: Geometry, drop: Drop
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of q, k, v and r of some groups; `inner` is grad · out of every query."""
    weights = _weights(q, k, r, geometry)
    at_keys = weights[..., : geometry.keys]
    mask = drop.mask(at_keys)
    grad_v = torch.bmm(grad.transpose(1, 2), at_keys if mask is None else at_keys * mask)
    grad_weights = torch.bmm(grad, v)
    if mask is not None:
        grad_weights *= mask
    if geometry.keys == weights.shape[-1]:
        grad_logits = grad_weights.sub_(inner).mul_(weights)
    else:  # what has no key has the value 0
        grad_logits = torch.mul(weights, inner).neg_()
        grad_logits[..., : geometry.keys].addcmul_(grad_weights, at_keys)
    del grad_weights  # as large as the logits
    grad_keys = grad_logits[..., : geometry.keys]
    grad_k = torch.bmm(q.transpose(1, 2), grad_keys)
    grad_qr = grad_logits.flatten(1).index_select(1, geometry.column_of_offset).view(-1, r.shape[1])
    grad_r = q.flatten(0, 1).t() @ grad_qr
    grad_q = torch.baddbmm((grad_qr @ r.t()).view(q.shape), grad_keys, k.transpose(1, 2))
    return grad_q, grad_k, grad_v, grad_r


def _by_head(x_BCHW: Tensor, heads: int) -> Tensor:
    batch, channels, height, width = x_BCHW.shape
    return x_BCHW.reshape(batch * heads, channels // heads, height, width)


def _pieces(x_NdHW: Tensor, geometry: Geometry) -> list[slice]:
    units = x_NdHW.shape[0]
    size = max(1, _PIECE_ELEMENTS // (geometry.offset_of_column.numel() * geometry.groups))
    if x_NdHW.device.type != "cpu":
        size *= 256
    return [slice(start, min(start + size, units)) for start in range(0, units, size)]


def _weights(q: Tensor, k: Tensor, r: Tensor, geometry: Geometry) -> Tensor:
    """Attention weights [G, Q, K + E]; exactly 0 outside the window."""
    logits = _spread(q @ r, geometry)
    logits[..., : geometry.keys].baddbmm_(q, k)
    if geometry.bias is not None:
        logits.view(-1, geometry.groups, *logits.shape[1:]).add_(geometry.bias)
    return logits.softmax(-1)


def _spread(qr_GQP: Tensor, geometry: Geometry) -> Tensor:
    """Move q·r from the offset p − o to the column of p; columns outside the window get −∞."""
    groups, queries, _ = qr_GQP.shape
    outside = qr_GQP.new_full((groups, 1), float("-inf"))
    flat = torch.cat((qr_GQP.reshape(groups, -1), outside), 1)
    return flat.index_select(1, geometry.offset_of_column).view(groups, queries, -1)
