"""The Triton kernels: interpreted against the formula, and compiled for a card that is not here."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from tests.helpers.checkout import ROOT
from trionet_nni.operators.layers.routes import route_for
from trionet_nni.operators.layers.triton_attention import is_available, triton_attention

pytest.importorskip("triton", reason="Triton is not installed: its kernels were NOT tested")

INTERPRETED = """
import torch
from trionet_nni.operators.layers.triton_attention import triton_attention
from trionet_nni.operators.layers.window_attention import window_attention

# images, heads, height, width, channels of a head in q, in v, window: few, for the interpreter is slow
CASES = [(2, 2, 5, 5, 2, 1, 3), (1, 1, 9, 6, 3, 5, 3), (1, 1, 3, 4, 1, 2, 5), (1, 1, 1, 1, 2, 2, 3)]
for border in ("zero", "mask"):
    for images, heads, height, width, qk, v, window in CASES:
        torch.manual_seed(0)
        q, k = torch.randn(2, images, heads * qk, height, width).unbind()
        wide = torch.randn(images, heads * v * 2, height, width)
        inputs = [q, k.to(memory_format=torch.channels_last), wide[:, ::2], torch.randn(qk, window, window)]
        mine = [x.detach().requires_grad_() for x in inputs]
        exact = [x.double().requires_grad_() for x in inputs]
        out, expected = triton_attention(*mine, heads, border), window_attention(*exact, heads, border)
        assert (out - expected).abs().max() <= 2e-6 * expected.abs().max()
        grad = torch.randn_like(expected)
        out.backward(grad.float())
        expected.backward(grad)
        for x, y in zip(mine, exact, strict=True):
            assert (x.grad - y.grad).norm() <= 1e-5 * max(y.grad.norm(), 1.0)

x = torch.randn(1, 2, 4, 4, requires_grad=True)
out = triton_attention(x, x, x, torch.randn(2, 3, 3), 1, "zero")
try:
    torch.autograd.grad(out.sum(), x, create_graph=True)
except RuntimeError as error:
    assert "no second derivatives" in str(error)
else:
    raise AssertionError("second derivatives were not refused")

exact = [torch.randn(1, 2, 4, 4) for _ in range(3)]
half = [x.bfloat16().requires_grad_() for x in exact]
out = triton_attention(*half, torch.zeros(2, 3, 3), 1, "zero")
assert out.dtype == torch.bfloat16
expected = window_attention(*exact, torch.zeros(2, 3, 3), 1, "zero")
assert (out - expected).norm() <= 0.03 * expected.norm()
out.sum().backward()
assert all(x.grad.dtype == torch.bfloat16 and x.grad.isfinite().all() for x in half)

none = torch.randn(0, 2, 4, 4, requires_grad=True)
triton_attention(none, none, none, torch.randn(2, 3, 3), 1, "zero").sum().backward()
"""


def test_the_interpreted_kernels_are_the_formula():
    """Both passes, both borders, all memory formats; bfloat16; no second derivatives; no images."""
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETED],
        cwd=ROOT,
        env=os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


COMPILED = """
import torch
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from trionet_nni.operators.layers import triton_kernels
from trionet_nni.operators.layers.triton_attention import _Launch

maps = torch.empty(2, 128, 56, 56, device="meta")
launch = _Launch.of(maps, maps, 7, 8)
constants = {"MASK": True, "TAPS": 64, **launch.constants()}
options = {"num_warps": constants.pop("num_warps")}
numbers, tables = ("heads", "height", "width", "tiles"), ("table", "lse", "delta", "grad_table")
for name in ("forward", "backward_queries", "backward_keys"):
    kernel = getattr(triton_kernels, name)
    types = {n: "i32" if n in numbers else "*fp32" if n in tables else "*bf16" for n in kernel.arg_names}
    known = {n: value for n, value in constants.items() if n in types}
    types |= dict.fromkeys(known, "constexpr")
    source = ASTSource(kernel, types, constexprs=known)
    made = compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    assert made.asm["cubin"], name
"""


def test_the_kernels_compile_for_a_card_that_is_not_here(tmp_path):
    """The interpreter takes more than the compiler does; the compiler needs no card."""
    environment = {name: text for name, text in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-c", COMPILED],
        cwd=ROOT,
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a GPU")
def test_without_a_gpu_it_is_neither_chosen_nor_silently_replaced():
    x = torch.randn(1, 8, 8, 8)
    assert not is_available(x)
    assert route_for(x, 7) != "triton"
    with pytest.raises(RuntimeError, match="route: found 'triton', allowed only on CUDA"):
        triton_attention(x, x, x, torch.randn(8, 3, 3), 1, "zero")
