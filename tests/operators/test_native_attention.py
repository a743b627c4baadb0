"""The compiled CPU kernel: the formula in every layout, and a build that is never mistaken for another."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.attention_maps import LAYOUTS, agree_with_formula, laid_out
from tests.helpers.checkout import ROOT
from trionet_nni.operators.layers import build_native, native_attention
from trionet_nni.operators.layers.routes import route_for
from trionet_nni.operators.layers.window_attention import window_attention


@pytest.fixture
def attention(native):
    return native_attention.native_attention


def make(shape, layout="plain", scale=1.0):
    """q, k, v and r for (images, heads, height, width, channels of a head in q, in v, window)."""
    images, heads, height, width, qk, v, window = shape
    maps = [scale * torch.randn(images, heads * c, height, width) for c in (qk, qk, v)]
    return [*laid_out(maps, layout), scale * torch.randn(qk, window, window)]


def compare(attention, inputs, heads, border):
    agree_with_formula(attention, window_attention, inputs, heads, border)


SHAPES = st.tuples(
    st.integers(1, 3),  # images
    st.sampled_from([1, 2, 4, 8]),
    st.integers(1, 20),
    st.integers(1, 35),
    st.integers(1, 9),  # channels of a head in q
    st.integers(1, 9),
    st.sampled_from([1, 3, 5, 7, 9, 13]),
)


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.sampled_from(LAYOUTS), st.sampled_from(["zero", "mask"]))
def test_any_shape_layout_and_border(native_folder, shape, layout, border):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native_attention, "home", lambda: native_folder)
        patch.delenv("TRIONET_NATIVE", raising=False)
        torch.manual_seed(0)
        compare(native_attention.native_attention, make(shape, layout), shape[1], border)


@pytest.mark.parametrize(
    "shape",
    [(2, 8, 56, 56, 8, 8, 7), (2, 8, 14, 14, 32, 16, 7), (2, 4, 7, 7, 64, 128, 7), (1, 4, 1, 112, 2, 2, 3)],
)
def test_the_networks_shapes(attention, shape):
    compare(attention, make(shape, scale=shape[4] ** -0.25), shape[1], "zero")


@pytest.mark.parametrize("border", ["zero", "mask"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_bfloat16_is_read_and_written_and_all_else_is_float32(attention, layout, border):
    *maps, r = make((2, 2, 6, 9, 3, 5, 5), layout)
    rounded = [x.bfloat16().requires_grad_() for x in maps]
    exact = [x.detach().float().requires_grad_() for x in rounded]
    out, expected = attention(*rounded, r, 2, border), attention(*exact, r, 2, border)
    assert torch.equal(out, expected.bfloat16())
    grad = torch.randn_like(expected).bfloat16()
    out.backward(grad)
    expected.backward(grad.float())
    assert all(torch.equal(x.grad, y.grad.bfloat16()) for x, y in zip(rounded, exact, strict=True))


def test_large_logits_neither_overflow_nor_vanish(attention):
    inputs = make((1, 2, 6, 9, 4, 4, 5), scale=6.0)
    out = attention(*inputs, 2, "mask")
    expected = window_attention(*[x.double() for x in inputs], 2, "mask")
    assert (
        out - expected
    ).abs().max() <= 1e-4 * expected.abs().max()  # logits near 300 carry 2e-5 of rounding


def test_nan_is_not_hidden(attention):
    q, k, v, r = make((1, 1, 5, 12, 2, 2, 3))
    k[0, 0, 2, 6] = float("nan")
    out = attention(q, k, v, r, 1, "zero")
    assert out[..., 1:4, 5:8].isnan().all()
    assert out[..., 4, :].isfinite().all()
    assert out[..., :5].isfinite().all()


def test_no_images(attention):
    inputs = [x.requires_grad_() for x in make((0, 4, 6, 6, 2, 2, 3))]
    out = attention(*inputs, 4, "zero")
    assert out.shape == (0, 8, 6, 6)
    out.sum().backward()
    assert (inputs[3].grad == 0).all()


def test_the_number_of_threads_changes_no_bit(attention):
    results = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            torch.manual_seed(0)
            inputs = [x.requires_grad_() for x in make((9, 8, 9, 11, 3, 2, 5))]
            out = attention(*inputs, 8, "zero")
            results.append([out, *torch.autograd.grad(out.square().sum(), inputs)])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_denormals_are_treated_as_before_the_call(attention):
    def counts():
        return bool((torch.full((64,), 1e-39) * 1.0 > 0).all())

    before = counts()
    attention(*make((1, 1, 4, 4, 2, 2, 3)), 1, "zero")
    assert counts() == before


def test_memory_returns(attention):
    inputs = [x.requires_grad_() for x in make((2, 4, 28, 28, 8, 8, 7))]

    def calls(times):
        for _ in range(times):
            torch.autograd.grad(attention(*inputs, 4, "zero").sum(), inputs)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    first = calls(20)
    assert calls(200) - first < 4096  # KiB; one call's maps take 1,600


def test_second_derivatives_are_refused(attention):
    inputs = [x.requires_grad_() for x in make((1, 2, 5, 5, 2, 2, 3))]
    out = attention(*inputs, 2, "zero")
    with pytest.raises(RuntimeError, match='no second derivatives; use route="window"'):
        torch.autograd.grad(out.sum(), inputs[0], create_graph=True)


def test_what_does_not_fit_is_refused_before_memory_is_read(attention):
    q, k, v, r = make((1, 2, 5, 6, 2, 3, 3))
    with pytest.raises(ValueError, match=r"k: found \[1, 4, 5, 5\], allowed: \[1, 4, 5, 6\]"):
        attention(q, k[..., :5], v, r, 2, "zero")
    with pytest.raises(ValueError, match=r"v: found \[1, 6, 4, 6\], allowed: \[1, 6, 5, 6\]"):
        attention(q, k, v[:, :, :4], r, 2, "zero")
    with pytest.raises(ValueError, match=r"r: found \[1, 3, 3\], allowed: \[2, 3, 3\]"):
        attention(q, k, v, r[:1], 2, "zero")
    with pytest.raises(ValueError, match="allowed: multiples of 4 heads"):
        attention(q, k, v, r, 4, "zero")
    with pytest.raises(TypeError, match=r"v: found torch.float64 on cpu, allowed: torch.float32 on cpu"):
        attention(q, k, v.double(), r, 2, "zero")
    with pytest.raises(
        TypeError, match=r"q: found torch.float16 on cpu, allowed: torch.float32 or torch.bf"
    ):
        attention(q.half(), k, v, r, 2, "zero")


def test_it_is_chosen_when_built_unless_switched_off(attention, monkeypatch):
    x = torch.randn(1, 8, 20, 20)
    assert route_for(x, 7) == "native"
    assert route_for(x.bfloat16(), 7) == "native"
    assert route_for(x.double(), 7) != "native"
    assert route_for(x.to("meta"), 7) == "window"
    monkeypatch.setenv("TRIONET_NATIVE", "0")
    assert route_for(x, 7) != "native"
    with pytest.raises(RuntimeError, match="route: found 'native', allowed only after `make native`"):
        attention(x, x, x, torch.randn(8, 3, 3), 1, "zero")


def test_a_stale_or_foreign_build_is_not_loaded(native_folder, tmp_path, monkeypatch):
    built = native_folder / build_native.library_name()
    assert native_attention.load(native_folder) is not None
    shutil.copy(built, tmp_path / built.name)
    assert native_attention.load(tmp_path) is not None
    native_attention.load.cache_clear()
    build_native.library_name.cache_clear()
    try:
        monkeypatch.setattr(build_native, "processor", lambda: "x86_64 flags: another one")
        assert native_attention.load(tmp_path) is None
        monkeypatch.undo()
        build_native.library_name.cache_clear()
        source = tmp_path / "source"
        shutil.copytree(build_native.SOURCE, source)
        (source / "kernels.h").write_text((source / "kernels.h").read_text() + "\n// changed\n")
        monkeypatch.setattr(build_native, "SOURCE", source)
        native_attention.load.cache_clear()
        assert native_attention.load(tmp_path) is None
    finally:
        monkeypatch.undo()
        build_native.library_name.cache_clear()
        native_attention.load.cache_clear()


def test_a_broken_build_is_told_and_left_out(tmp_path):
    (tmp_path / build_native.library_name()).write_bytes(b"not a library")
    with pytest.warns(UserWarning, match="cannot be loaded .* make native"):
        assert native_attention.load(tmp_path) is None


@pytest.mark.parametrize(
    ("compiler", "message"),
    [
        ("no-such-compiler", "found none named 'no-such-compiler', allowed: g++"),
        ("false", "false failed with 1: "),
    ],
)
def test_a_failed_build_is_one_line(compiler, message):
    done = subprocess.run(
        [sys.executable, "-m", "trionet_nni.operators.layers.build_native"],
        env=os.environ | {"CXX": compiler, "PYTHONPATH": "."},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
