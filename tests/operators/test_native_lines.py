"""The compiled CPU kernel of axial attention: the formula on every line, in every layout."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.helpers.attention_maps import LAYOUTS, agree_with_formula, laid_out
from trionet_nni.operators.layers import native_attention
from trionet_nni.operators.layers.axial_attention import AxialAttention, AxialLayer
from trionet_nni.operators.layers.line_attention import line_attention
from trionet_nni.operators.layers.line_routes import attend_lines, line_route_for
from trionet_nni.operators.layers.native_lines import native_lines

both_axes = pytest.mark.parametrize("axis", [2, 3])


def make(shape, layout="plain"):
    """q, k, v and the table for (images, heads, height, width, channels of a head in q, in v, reach)."""
    images, heads, height, width, qk, v, reach = shape
    maps = [qk**-0.25 * torch.randn(images, heads * c, height, width) for c in (qk, qk, v)]
    return [*laid_out(maps, layout), qk**-0.25 * torch.randn(qk, 2 * reach - 1)]


def compare(inputs, heads, axis):
    agree_with_formula(native_lines, line_attention, inputs, heads, axis)


SHAPES = st.tuples(
    st.integers(1, 3),  # images
    st.sampled_from([1, 4, 8]),
    st.integers(1, 30),
    st.integers(1, 30),
    st.integers(1, 9),  # channels of a head in q
    st.integers(1, 9),
    st.integers(2, 30),  # reach of the table; of 1, the gradient of its one offset would be 0
)


@settings(max_examples=80, deadline=None)
@given(SHAPES, st.sampled_from(LAYOUTS), st.sampled_from([2, 3]))
def test_any_shape_layout_and_axis(native_folder, shape, layout, axis):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native_attention, "home", lambda: native_folder)
        patch.delenv("TRIONET_NATIVE", raising=False)
        torch.manual_seed(0)
        compare(make(shape, layout), shape[1], axis)


@both_axes
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("length", [1, 7, 14, 28, 56, 61])
def test_lines_of_the_networks_and_beyond(native, length, layout, axis):
    """61 is beyond the table, which reaches 56."""
    compare(make((1, 4, length, length, 2, 3, 56), layout), 4, axis)


@both_axes
@pytest.mark.parametrize("width", [1, 2, 3, 8, 16])
@pytest.mark.parametrize("heads", [1, 4, 8])
def test_heads_of_every_width(native, heads, width, axis):
    compare(make((3, heads, 14, 9, width, width, 14)), heads, axis)


def test_a_layer_takes_it_wherever_it_can(native, monkeypatch):
    x = torch.randn(1, 8, 5, 5)
    assert line_route_for(x, x, x) == "native"
    assert line_route_for(*[x.bfloat16()] * 3) == "native"
    assert line_route_for(*[x.double()] * 3) == "formula"
    assert line_route_for(x, x, x.bfloat16()) == "formula"
    assert line_route_for(*[x.to("meta")] * 3) == "formula"
    layer = AxialLayer(8, 8, 8, 4, length=5, axis=2)
    expected = layer(x)
    layer.route = "formula"
    torch.testing.assert_close(layer(x), expected)
    layer.route = "fast"
    with pytest.raises(ValueError, match="route: found 'fast', allowed: auto, formula, native, triton"):
        layer(x)
    monkeypatch.setenv("TRIONET_NATIVE", "0")
    assert line_route_for(x, x, x) == "formula"
    with pytest.raises(RuntimeError, match="route: found 'native', allowed only after `make native`"):
        native_lines(x, x, x, torch.randn(2, 9), 4, 2)


def test_who_records_what_is_done_sees_the_formula(native):
    layer, x = AxialAttention(8, 8, 8, 4, length=5).eval(), torch.randn(2, 8, 5, 5)
    expected = layer(x)
    traced = torch.jit.trace(layer, x)
    assert "softmax" in str(traced.height.graph)
    torch.testing.assert_close(traced(x), expected)
    exported = torch.export.export(layer, (x,))
    assert "softmax" in str(exported.graph)
    torch.testing.assert_close(exported.module()(x), expected)
    torch.testing.assert_close(layer(x), expected)


@both_axes
@pytest.mark.parametrize("layout", LAYOUTS)
def test_bfloat16_is_read_and_written_and_all_else_is_float32(native, layout, axis):
    *maps, table = make((2, 2, 11, 9, 3, 9, 11), layout)
    rounded = [x.bfloat16().requires_grad_() for x in maps]
    exact = [x.detach().float().requires_grad_() for x in rounded]
    out, expected = native_lines(*rounded, table, 2, axis), native_lines(*exact, table, 2, axis)
    assert torch.equal(out, expected.bfloat16())
    grad = torch.randn_like(expected).bfloat16()
    out.backward(grad)
    expected.backward(grad.float())
    assert all(torch.equal(x.grad, y.grad.bfloat16()) for x, y in zip(rounded, exact, strict=True))


@both_axes
def test_bfloat16_is_near_the_formula(native, axis):
    *maps, table = make((2, 4, 14, 14, 8, 8, 14))
    exact = line_attention(*maps, table, 4, axis)
    out = native_lines(*[x.bfloat16() for x in maps], table.bfloat16(), 4, axis)
    assert out.dtype == torch.bfloat16
    assert (out - exact).norm() <= 0.02 * exact.norm()


@both_axes
def test_the_number_of_threads_changes_no_bit(native, axis):
    results = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            torch.manual_seed(0)
            inputs = [x.requires_grad_() for x in make((9, 8, 9, 11, 3, 2, 11))]
            out = native_lines(*inputs, 8, axis, 0.2)
            results.append([out, *torch.autograd.grad(out.square().sum(), inputs)])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_nan_is_not_hidden(native):
    q, k, v, table = make((1, 1, 5, 12, 2, 2, 12))
    k[0, 0, 2, 6] = float("nan")
    out = native_lines(q, k, v, table, 1, 3)
    assert out[..., 2, :].isnan().all()
    assert out[..., [0, 1, 3, 4], :].isfinite().all()
    assert native_lines(q, k, v, table, 1, 2)[..., 6].isnan().all()


def test_large_logits_neither_overflow_nor_vanish(native):
    inputs = [6 * x for x in make((1, 2, 6, 9, 4, 4, 9))]
    expected = line_attention(*[x.double() for x in inputs], 2, 3)
    error = (native_lines(*inputs, 2, 3) - expected).abs().max()
    assert error <= 1e-4 * expected.abs().max()  # logits near 300 carry 2e-5 of rounding


def test_no_images(native):
    inputs = [x.requires_grad_() for x in make((0, 4, 6, 6, 2, 2, 6))]
    out = native_lines(*inputs, 4, 2)
    assert out.shape == (0, 8, 6, 6)
    out.sum().backward()
    assert (inputs[3].grad == 0).all()


def test_second_derivatives_are_those_of_the_formula(native):
    inputs = [x.requires_grad_() for x in make((1, 2, 5, 6, 2, 2, 7))]

    def penalty(attend):
        out = attend(*inputs, 2, 3)
        slopes = torch.autograd.grad(out.square().sum(), inputs, create_graph=True)
        return torch.autograd.grad(sum(slope.square().sum() for slope in slopes), inputs)

    for found, expected in zip(penalty(native_lines), penalty(line_attention), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    dropped = native_lines(*inputs, 2, 3, 0.5)
    with pytest.raises(RuntimeError, match="no second derivatives where weights are dropped"):
        torch.autograd.grad(dropped.sum(), inputs[0], create_graph=True)


def test_what_does_not_fit_is_refused_before_memory_is_read(native):
    q, k, v, table = make((1, 2, 5, 6, 2, 3, 6))
    with pytest.raises(ValueError, match=r"k: found \[1, 4, 5, 5\], allowed: \[1, 4, 5, 6\]"):
        native_lines(q, k[..., :5], v, table, 2, 2)
    with pytest.raises(
        ValueError, match=r"table: found \[1, 11\], allowed: \[2, an odd number of offsets\]"
    ):
        native_lines(q, k, v, table[:1], 2, 2)
    with pytest.raises(ValueError, match=r"table: found \[2, 10\], allowed: \[2, an odd number"):
        native_lines(q, k, v, table[:, :10], 2, 2)
    with pytest.raises(TypeError, match=r"v: found torch.bfloat16 on cpu, allowed: torch.float32 on cpu"):
        native_lines(q, k, v.bfloat16(), table, 2, 2)


@pytest.mark.parametrize("route", ["auto", "formula", "native"])
def test_training_mode_alone_drops_weights(native, route):
    layer = AxialLayer(8, 8, 8, 4, length=6, axis=2)
    layer.route, layer.attention_dropout = route, 0.5
    x = torch.randn(2, 8, 6, 6)
    assert not torch.equal(layer(x), layer(x))
    torch.testing.assert_close(layer.eval()(x), attend_lines("formula", *_projected(layer, x), 4, 2))


def _projected(layer: AxialLayer, x: torch.Tensor) -> list[torch.Tensor]:
    maps = [nn.functional.conv2d(x, w[..., None, None]) for w in (layer.q, layer.k, layer.v)]
    return [*maps, layer.table]
