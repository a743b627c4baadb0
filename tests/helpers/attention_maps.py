"""Maps in every layout, and a route compared with the formula in double precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

LAYOUTS = ("plain", "channels last", "strided")


def laid_out(maps: Sequence[Tensor], layout: str) -> list[Tensor]:
    """The same maps [B, C, H, W] in a layout."""
    if layout == "plain":
        return list(maps)
    if layout == "channels last":
        return [x.contiguous(memory_format=torch.channels_last) for x in maps]
    strided = []
    for x in maps:
        images, channels, height, width = x.shape
        wide = torch.randn(images, 2 * channels, height, 2 * width + 1)
        strided.append(wide[:, ::2, :, 1::2].copy_(x))
    return strided


def agree_with_formula(
    route: Callable[..., Tensor],
    formula: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    *arguments: object,
) -> None:
    """Within 2·10⁻⁶ (forward) and 10⁻⁵ (gradients of all inputs) of the formula in double precision."""
    mine = [x.detach().requires_grad_() for x in inputs]
    exact = [x.detach().double().requires_grad_() for x in inputs]
    out, expected = route(*mine, *arguments), formula(*exact, *arguments)
    assert (out - expected).abs().max() <= 2e-6 * expected.abs().max()
    grad = torch.randn_like(expected)
    out.backward(grad.float())
    expected.backward(grad)
    for x, y in zip(mine, exact, strict=True):
        assert x.grad is not None and y.grad is not None
        assert (x.grad - y.grad).norm() <= 1e-5 * max(y.grad.norm(), 1.0)
