"""The Triton kernels: interpreted against the formula, and compiled for a card that is not here."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from tests.helpers.checkout import ROOT
from trionet_nni.operators.layers.line_routes import line_route_for
from trionet_nni.operators.layers.routes import route_for
from trionet_nni.operators.layers.triton_attention import is_available, triton_attention
from trionet_nni.operators.layers.triton_lines import triton_lines

pytest.importorskip("triton", reason="Triton is not installed: its kernels were NOT tested")

INTERPRETED = """
import torch
from tests.helpers.attention_maps import agree_with_formula
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
        agree_with_formula(triton_attention, window_attention, inputs, heads, border)

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


LINES = """
import torch
from tests.helpers.attention_maps import agree_with_formula
from trionet_nni.operators.layers.line_attention import line_attention
from trionet_nni.operators.layers.triton_lines import triton_lines

# images, heads, height, width, channels of a head in q, in v, reach of the table (4: shorter than the line)
CASES = [(2, 2, 5, 6, 2, 1, 6), (1, 1, 9, 7, 3, 5, 4), (1, 2, 1, 4, 1, 2, 5), (1, 1, 1, 1, 2, 2, 3)]
for axis in (2, 3):
    for images, heads, height, width, qk, v, reach in CASES:
        torch.manual_seed(0)
        q, k = torch.randn(2, images, heads * qk, height, width).unbind()
        wide = torch.randn(images, heads * v * 2, height, width)
        inputs = [q, k.to(memory_format=torch.channels_last), wide[:, ::2], torch.randn(qk, 2 * reach - 1)]
        agree_with_formula(triton_lines, line_attention, inputs, heads, axis)

half = [torch.randn(1, 2, 4, 4).bfloat16().requires_grad_() for _ in range(3)]
out = triton_lines(*half, torch.zeros(2, 7), 1, 2)
expected = line_attention(*[x.float() for x in half], torch.zeros(2, 7), 1, 2)
assert out.dtype == torch.bfloat16 and (out - expected).norm() <= 0.03 * expected.norm()
out.sum().backward()
assert all(x.grad.dtype == torch.bfloat16 and x.grad.isfinite().all() for x in half)

none = torch.randn(0, 2, 4, 4, requires_grad=True)
triton_lines(none, none, none, torch.randn(2, 7), 1, 2).sum().backward()
"""

DROPOUT = """
import torch
from tests.helpers.attention_maps import agree_with_formula
from trionet_nni.operators.layers.triton_attention import triton_attention
from trionet_nni.operators.layers.triton_lines import triton_lines

RATE, SIDE = 0.4, 4
ATTENTIONS = {
    "zero": lambda q, k, v, t, rate: triton_attention(q, k, v, t[:, :9].reshape(-1, 3, 3), 2, "zero", rate),
    "mask": lambda q, k, v, t, rate: triton_attention(q, k, v, t[:, :9].reshape(-1, 3, 3), 2, "mask", rate),
    "height": lambda q, k, v, t, rate: triton_lines(q, k, v, t[:, :7], 2, 2, rate),
    "width": lambda q, k, v, t, rate: triton_lines(q, k, v, t[:, :7], 2, 3, rate),
}

def run(attention, inputs, rate):
    torch.manual_seed(7)
    return attention(*inputs, rate)

def weights(attention, q, k, t, rate):
    one_each = torch.eye(SIDE**2).expand(2, 2, -1, -1).reshape(2, -1, SIDE, SIDE)  # channel n: key n alone
    return run(attention, (q, k, one_each, t), rate).view(2, 2, SIDE**2, -1).transpose(2, 3)

dropped = kept = 0
for name, attention in ATTENTIONS.items():
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 4, SIDE, SIDE, requires_grad=True) for _ in range(3))
    t = torch.randn(2, 9, requires_grad=True)
    with torch.no_grad():
        some, whole = weights(attention, q, k, t, RATE), weights(attention, q, k, t, 0.0)
    mask = (some != 0).float()
    torch.testing.assert_close(some, whole * mask / (1 - RATE), rtol=1e-5, atol=1e-7)
    dropped, kept = dropped + ((whole > 0) & (some == 0)).sum(), kept + (some > 0).sum()
    # Output and gradient of v follow from the mask that was seen; the others from differences under it.
    out = run(attention, (q, k, v, t), RATE)
    per_head = v.detach().view(2, 2, 2, -1).transpose(2, 3)
    expected = (some @ per_head).transpose(2, 3).reshape_as(out)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)
    grad = torch.randn_like(out)
    found = torch.autograd.grad(out, (q, k, v, t), grad)
    by_head = grad.view(2, 2, 2, -1).transpose(2, 3)
    torch.testing.assert_close(found[2], (some.transpose(2, 3) @ by_head).transpose(2, 3).reshape_as(v))
    for index, x in ((0, q), (1, k), (3, t)):
        step = torch.randn_like(x) * 0.02
        with torch.no_grad():
            inputs = [q, k, v, t]
            inputs[index] = x + step
            above = (run(attention, inputs, RATE) * grad).double().sum()
            inputs[index] = x - step
            below = (run(attention, inputs, RATE) * grad).double().sum()
        slope = (found[index] * step).double().sum()
        assert abs((above - below) / 2 - slope) <= 2e-2 * abs(slope) + 1e-4, (name, index)
    assert not torch.equal(attention(q, k, v, t, RATE), attention(q, k, v, t, RATE))
share = float(dropped / (dropped + kept))
assert abs(share - RATE) <= 5 * (RATE * (1 - RATE) / float(dropped + kept)) ** 0.5, share
"""


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(LINES, id="axial attention"),
        pytest.param(DROPOUT, id="dropout", marks=pytest.mark.slow),
    ],
)
def test_the_interpreted_kernels_of_lines_and_of_dropout(code):
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


COMPILED = """
from benchmarks.triton_resources import AXIAL, CARDS, LOCAL, Case, resources

CASES = [Case(kernel, 8, 16, 7) for kernel in LOCAL] + [Case(kernel, 8, 16, 0) for kernel in AXIAL]
for number, case in enumerate(CASES):
    found = resources(case, "bf16", CARDS[number % 3], dropout=number % 2 == 0)
    assert found.registers > 0 and found.spilled == 0 and found.occupancy(90) > 0, (case, found)
"""


def test_the_kernels_compile_for_a_card_that_is_not_here(tmp_path):
    """The interpreter takes more than the compiler does; the compiler needs no card. Nothing is spilled."""
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
    assert line_route_for(x, x, x) != "triton"
    for refused in (
        lambda: triton_attention(x, x, x, torch.randn(8, 3, 3), 1, "zero"),
        lambda: triton_lines(x, x, x, torch.randn(8, 15), 1, 2),
    ):
        with pytest.raises(RuntimeError, match="route: found 'triton', allowed only on CUDA"):
            refused()
