"""Local attention by shifting: one product of the map and its shifted self an offset of the window.

Only the m² logits of a position are held, never copies of its window, and only for a piece of the groups
at a time; the backward pass computes them again.

Shapes: G = B·n groups (image × head), d channels of a head, H × W map, P = m² offsets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from trionet_nni.operators.layers.border import Border

# Elements of the keys held at a time on a CPU: 256 KB, so that maps, shifted maps and products fit a cache.
_PIECE_ELEMENTS = 1 << 16


def shift_attention(
    q_BCHW: Tensor, k_BCHW: Tensor, v_BVHW: Tensor, r_dmm: Tensor, heads: int, border: Border
) -> Tensor:
    """Eq. 1; see `local_attention`. Returns [B, V, H, W]."""
    batch, _, height, width = q_BCHW.shape

    def groups(x: Tensor) -> Tensor:
        return x.reshape(batch * heads, -1, height, width)

    out_GVHW: Tensor = _ShiftAttention.apply(
        groups(q_BCHW), groups(k_BCHW), groups(v_BVHW), r_dmm, border == "mask"
    )
    return out_GVHW.reshape(batch, -1, height, width)


class _ShiftAttention(torch.autograd.Function):
    """Gradients of first order only."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, r: Tensor, mask: bool) -> Tensor:
        """Return [G, V, H, W]."""
        out = torch.empty_like(v, memory_format=torch.contiguous_format)
        for piece in _pieces(q):
            weights_GPHW = _weights(_wide(q[piece]), _wide(k[piece]), _wide(r), mask)
            total = torch.zeros_like(out[piece], dtype=weights_GPHW.dtype)
            for offset, shifted in _shifts(_padded(_wide(v[piece]), r.shape[-1]), r.shape[-1]):
                total.addcmul_(weights_GPHW[:, offset, None], shifted)
            out[piece] = total
        ctx.save_for_backward(q, k, v, r, out)
        ctx.mask = mask
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of q, k, v and r.

        Raises:
            RuntimeError: a graph of the gradients was asked for (create_graph=True).
        """
        if torch.is_grad_enabled():
            raise RuntimeError('local attention has no second derivatives; use route="window" for them')
        q, k, v, r, out = ctx.saved_tensors
        grads = [torch.empty_like(x, memory_format=torch.contiguous_format) for x in (q, k, v)]
        grad_r = torch.zeros_like(r, dtype=torch.promote_types(r.dtype, torch.float32))
        for piece in _pieces(q):
            q_, k_, v_, grad_, out_ = (_wide(x[piece]) for x in (q, k, v, grad, out))
            *of_maps, of_r = _piece_gradients(q_, k_, v_, _wide(r), grad_, out_, ctx.mask)
            for whole, part in zip(grads, of_maps, strict=True):
                whole[piece] = part
            grad_r += of_r
        return *grads, grad_r.to(r.dtype), None


def _piece_gradients(
    q: Tensor, k: Tensor, v: Tensor, r: Tensor, grad: Tensor, out: Tensor, mask: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    window = r.shape[-1]
    weights_GPHW = _weights(q, k, r, mask)
    grad_logits = torch.empty_like(weights_GPHW)
    v_padded, k_padded = _padded(v, window), _padded(k, window)
    grad_v, grad_k = torch.zeros_like(v_padded), torch.zeros_like(k_padded)
    product = torch.empty_like(grad)
    into_v = _shifts(grad_v, window)
    for (offset, shifted), (_, target) in zip(_shifts(v_padded, window), into_v, strict=True):
        torch.sum(torch.mul(grad, shifted, out=product), 1, out=grad_logits[:, offset])
        target.addcmul_(weights_GPHW[:, offset, None], grad)
    inner_GHW = torch.mul(grad, out, out=product).sum(1)
    grad_logits.sub_(inner_GHW[:, None]).mul_(weights_GPHW)
    flat, r_dP = grad_logits.flatten(2), r.flatten(1)
    grad_q = torch.matmul(r_dP, flat).view_as(q)
    grad_r = torch.bmm(q.flatten(2), flat.transpose(1, 2)).sum(0).view_as(r)
    into_k = _shifts(grad_k, window)
    for (offset, shifted), (_, target) in zip(_shifts(k_padded, window), into_k, strict=True):
        grad_q.addcmul_(grad_logits[:, offset, None], shifted)
        target.addcmul_(grad_logits[:, offset, None], q)
    half = window // 2
    inside = (..., slice(half, half + q.shape[2]), slice(half, half + q.shape[3]))
    return grad_q, grad_k[inside], grad_v[inside], grad_r


def _weights(q: Tensor, k: Tensor, r: Tensor, mask: bool) -> Tensor:
    """Attention weights [G, P, H, W]."""
    window = r.shape[-1]
    logits = torch.empty(q.shape[0], window**2, *q.shape[2:], dtype=q.dtype, device=q.device)
    torch.matmul(r.flatten(1).t(), q.flatten(2), out=logits.view(*logits.shape[:2], -1))
    product = torch.empty_like(q)
    for offset, shifted in _shifts(_padded(k, window), window):
        logits[:, offset] += torch.mul(q, shifted, out=product).sum(1)
    if mask:
        ones = _padded(torch.ones_like(q[:1, :1]), window)
        for offset, inside in _shifts(ones, window):
            logits[:, offset].masked_fill_(inside[0] == 0, float("-inf"))
    return logits.softmax(1)


def _padded(x: Tensor, window: int) -> Tensor:
    half = window // 2
    return F.pad(x, (half, half, half, half))


def _shifts(padded: Tensor, window: int) -> Iterator[tuple[int, Tensor]]:
    """Every offset and the view of the padded map that it moves onto the map."""
    height, width = (size - window + 1 for size in padded.shape[2:])
    for a in range(window):
        for b in range(window):
            yield a * window + b, padded[:, :, a : a + height, b : b + width]


def _wide(x: Tensor) -> Tensor:
    """At least float32: the sums over offsets have m² terms."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _pieces(q: Tensor) -> list[slice]:
    groups = q.shape[0]
    size = max(1, _PIECE_ELEMENTS // max(1, q[0].numel())) if q.device.type == "cpu" else groups
    return [slice(start, start + size) for start in range(0, groups, size)]
