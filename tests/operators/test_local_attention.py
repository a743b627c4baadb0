"""Local attention: every route computes Eq. 1, and so do its gradients."""

from __future__ import annotations

import pytest
import torch

from trionet_nni.operators.layers import native_attention
from trionet_nni.operators.layers.local_attention import LocalAttention, local_attention
from trionet_nni.operators.layers.routes import ROUTES, route_for

SHAPES = [  # height, width, heads, channels of q and k, of v, window
    (5, 5, 4, 8, 4, 3),
    (4, 9, 8, 16, 8, 5),
    (9, 6, 4, 4, 8, 7),
    (3, 3, 2, 4, 4, 7),  # a map smaller than the window
    (13, 10, 1, 2, 3, 3),
    (1, 1, 4, 8, 8, 5),
    (1, 12, 4, 16, 16, 7),
    (16, 15, 8, 16, 16, 7),
]


def equation_1(q, k, v, rows, columns, heads, border):
    """Eq. 1, position by position and neighbour by neighbour."""
    batch, _, height, width = q.shape
    window = rows.shape[1]
    half = window // 2
    out = torch.zeros(batch, v.shape[1], height, width, dtype=q.dtype)
    split = [x.reshape(batch, heads, -1, height, width) for x in (q, k, v)]
    for i in range(height):
        for j in range(width):
            logits, values = [], []
            for a in range(window):
                for b in range(window):
                    y, x = i + a - half, j + b - half
                    inside = 0 <= y < height and 0 <= x < width
                    if border == "mask" and not inside:
                        continue
                    key, value = (
                        s[..., y, x] if inside else torch.zeros_like(s[..., 0, 0]) for s in split[1:]
                    )
                    r = rows[:, a] + columns[:, b]
                    query = split[0][..., i, j]
                    logits.append((query * key).sum(-1) + query @ r)
                    values.append(value)
            weights = torch.stack(logits).softmax(0)
            out[..., i, j] = (weights[..., None] * torch.stack(values)).sum(0).reshape(batch, -1)
    return out


def tensors(shape, dtype):
    height, width, heads, qk, v, window = shape
    torch.manual_seed(1)
    maps = [(2, qk, height, width), (2, qk, height, width), (2, v, height, width)]
    tables = [(qk // heads, window)] * 2
    made = [torch.randn(s, dtype=torch.float64).to(dtype) for s in (*maps, *tables)]
    return [x.requires_grad_() for x in made]


@pytest.mark.parametrize("border", ["zero", "mask"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_formula_is_equation_1(border, shape):
    inputs = tensors(shape, torch.float64)
    out = local_attention(*inputs, shape[2], border=border, route="window")
    torch.testing.assert_close(out, equation_1(*inputs, shape[2], border))


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("border", ["zero", "mask"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_route_is_the_formula(route, border, shape):
    """Within 2·10⁻⁶ (forward) and 10⁻⁵ (gradients) of the formula in double precision."""
    skip_if_absent(route)
    exact = tensors(shape, torch.float64)
    expected = local_attention(*exact, shape[2], border=border, route="window")
    weights = torch.randn_like(expected)
    (expected * weights).sum().backward()
    inputs = tensors(shape, torch.float32)
    out = local_attention(*inputs, shape[2], border=border, route=route)
    assert (out - expected).abs().max() <= 2e-6 * expected.abs().max()
    (out * weights.float()).sum().backward()
    for mine, reference in zip(inputs, exact, strict=True):
        # Some gradients are 0 in exact arithmetic: they are compared with the inputs' unit size.
        assert (mine.grad - reference.grad).norm() <= 1e-5 * max(reference.grad.norm(), 1.0)


@pytest.mark.parametrize("route", [route for route in ROUTES if route != "window"])
def test_memory_layout_does_not_matter(route):
    skip_if_absent(route)
    shape = SHAPES[7]
    plain, strided = tensors(shape, torch.float32), tensors(shape, torch.float32)
    for index in range(3):
        with torch.no_grad():
            wide = torch.empty(2, 2 * strided[index].shape[1], 16, 15)
            wide[:, ::2] = strided[index]
        strided[index] = wide.detach()[:, ::2].requires_grad_()
    strided[1] = strided[1].detach().to(memory_format=torch.channels_last).requires_grad_()
    outs = []
    for inputs in (plain, strided):
        out = local_attention(*inputs, shape[2], route=route)
        out.square().sum().backward()
        outs.append(out)
    torch.testing.assert_close(outs[0], outs[1])
    for mine, reference in zip(strided, plain, strict=True):
        torch.testing.assert_close(mine.grad, reference.grad)


@pytest.mark.parametrize("route", [route for route in ROUTES if route not in ("native", "triton")])
def test_bfloat16_is_close(route):
    shape = SHAPES[7]
    exact = local_attention(*tensors(shape, torch.float32), shape[2], route="window")
    out = local_attention(*tensors(shape, torch.bfloat16), shape[2], route=route)
    assert out.dtype == torch.bfloat16
    assert (out - exact).norm() <= 0.03 * exact.norm()


@pytest.mark.parametrize("route", [route for route in ROUTES if route != "window"])
def test_second_derivatives_are_refused_not_wrong(route):
    skip_if_absent(route)
    inputs = [torch.randn(1, 4, 6, 6, requires_grad=True) for _ in range(3)]
    tables = [torch.randn(2, 3, requires_grad=True) for _ in range(2)]
    out = local_attention(*inputs, *tables, 2, route=route).sum()
    with pytest.raises(RuntimeError, match="no second derivatives"):
        torch.autograd.grad(out, inputs[0], create_graph=True)


def test_the_formula_has_second_derivatives():
    inputs = tensors((3, 3, 2, 4, 4, 3), torch.float64)
    assert torch.autograd.gradgradcheck(lambda *x: local_attention(*x, 2, route="window"), inputs)


def test_the_choice_is_visible_and_can_be_forced():
    assert route_for(torch.empty(1, 8, 32, 32, device="meta"), 7) == "window"
    assert {route_for(torch.empty(1, 8, side, side), 7) for side in (7, 14, 28, 56)} <= set(ROUTES)
    layer = LocalAttention(8, 8, 8, 4, 3)
    x = torch.randn(2, 8, 6, 6)
    expected = layer(x)
    for route in ("window", "dense", "halo", "shift"):
        layer.route = route
        torch.testing.assert_close(layer(x), expected)
    layer.route = "fast"
    with pytest.raises(ValueError, match="route: found 'fast', allowed: auto, window"):
        layer(x)


def skip_if_absent(route):
    """Routes that need a compiler or a GPU."""
    if route == "native" and native_attention.library() is None:
        pytest.skip("the compiled kernel is not built (make native): its route was NOT tested here")
    if route == "triton" and not torch.cuda.is_available():
        pytest.skip("no GPU: test_triton_attention.py runs this route in Triton's interpreter")
