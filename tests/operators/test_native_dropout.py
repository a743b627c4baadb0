"""Dropout inside the compiled CPU kernels: one mask in both passes, from torch's generator, at its rate."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trionet_nni.operators.layers.line_routes import attend_lines
from trionet_nni.operators.layers.local_attention import LocalAttention
from trionet_nni.operators.layers.native_attention import native_attention
from trionet_nni.operators.layers.native_lines import native_lines
from trionet_nni.operators.layers.routes import dropout_route

pytestmark = pytest.mark.usefixtures("native")
IMAGES, HEADS, HEIGHT, WIDTH, DEPTH = 2, 2, 6, 9, 3
RATE = 0.4


def local(q: Tensor, k: Tensor, v: Tensor, table: Tensor, rate: float) -> Tensor:
    return native_attention(q, k, v, table[:, :25].reshape(-1, 5, 5), HEADS, "zero", rate)


def masked(q: Tensor, k: Tensor, v: Tensor, table: Tensor, rate: float) -> Tensor:
    return native_attention(q, k, v, table[:, :25].reshape(-1, 5, 5), HEADS, "mask", rate)


def height(q: Tensor, k: Tensor, v: Tensor, table: Tensor, rate: float) -> Tensor:
    return native_lines(q, k, v, table, HEADS, 2, rate)


def width(q: Tensor, k: Tensor, v: Tensor, table: Tensor, rate: float) -> Tensor:
    return native_lines(q, k, v, table, HEADS, 3, rate)


each_attention = pytest.mark.parametrize("attention", [local, masked, height, width])


def make(dtype: torch.dtype = torch.float32) -> list[Tensor]:
    torch.manual_seed(1)
    maps = [torch.randn(IMAGES, HEADS * DEPTH, HEIGHT, WIDTH) for _ in range(3)]
    return [x.to(dtype).requires_grad_() for x in (*maps, torch.randn(DEPTH, 27))]


def weights(attention, q: Tensor, k: Tensor, table: Tensor, rate: float) -> Tensor:
    """[images, heads, queries, keys] as they act: the outputs for values that are 1 at one key alone."""
    columns = []
    for key in range(HEIGHT * WIDTH):
        v = torch.zeros(IMAGES, HEADS, HEIGHT * WIDTH)
        v[:, :, key] = 1
        torch.manual_seed(7)
        columns.append(attention(q, k, v.view(IMAGES, HEADS, HEIGHT, WIDTH), table, rate).flatten(2))
    return torch.stack(columns, -1)


def drawn_mask(attention) -> Tensor:
    """0 or 1 for every query and key, of the seed that `weights` uses."""
    q, k, _, table = (x.detach() for x in make())
    dropped, all_ = weights(attention, q, k, table, RATE), weights(attention, q, k, table, 0.0)
    torch.testing.assert_close(dropped, all_ / (1 - RATE) * (dropped != 0), rtol=1e-5, atol=1e-7)
    return (dropped != 0).double()


@each_attention
def test_both_passes_use_the_mask_that_can_be_seen(attention):
    """Output and gradients are those of softmax · mask ÷ (1 − rate), the mask read off one-hot values."""
    mask = drawn_mask(attention)
    mine, exact = make(), [x.detach().double().requires_grad_() for x in make()]
    torch.manual_seed(7)
    out = attention(*mine, RATE)
    expected = formula(attention, *exact, mask / (1 - RATE))
    torch.testing.assert_close(out.double(), expected, rtol=1e-5, atol=1e-5)
    grad = torch.randn_like(expected)
    out.backward(grad.float())
    expected.backward(grad)
    for x, y in zip(mine, exact, strict=True):
        assert (x.grad - y.grad).norm() <= 1e-5 * y.grad.norm()


def formula(attention, q: Tensor, k: Tensor, v: Tensor, table: Tensor, factor: Tensor) -> Tensor:
    """Attention among all positions in double precision; `factor` multiplies the weights after softmax."""

    def split(x: Tensor) -> Tensor:
        return x.reshape(IMAGES, HEADS, DEPTH, -1).transpose(2, 3)

    q, k, v = split(q), split(k), split(v)
    place = torch.arange(HEIGHT * WIDTH)
    dy = place[None] // WIDTH - place[:, None] // WIDTH
    dx = place[None] % WIDTH - place[:, None] % WIDTH
    if attention in (local, masked):
        seen = (dy.abs() <= 2) & (dx.abs() <= 2)
        offset = (dy + 2) * 5 + dx + 2
    else:
        across, along = (dx, dy) if attention is height else (dy, dx)
        seen, offset = across == 0, along + 13
    positions = table[:, offset.clamp(0, 26)]
    logits = q @ k.transpose(2, 3) + torch.einsum("bnqd,dqk->bnqk", q, positions)
    logits = logits.masked_fill(~seen, float("-inf"))
    if attention is local:  # a neighbour outside the map: logit q·r, value 0
        extra = (q @ table[:, :25]).masked_fill(~_outside(), float("-inf"))
        logits = torch.cat((logits, extra), -1)
    share = logits.softmax(-1)[..., : HEIGHT * WIDTH] * factor
    return (share @ v).transpose(2, 3).reshape(IMAGES, -1, HEIGHT, WIDTH)


def _outside() -> Tensor:
    """[positions, 25]: which offsets of the window lead out of the map."""
    place, offset = torch.arange(HEIGHT * WIDTH)[:, None], torch.arange(25)[None]
    y, x = place // WIDTH + offset // 5 - 2, place % WIDTH + offset % 5 - 2
    return (y < 0) | (y >= HEIGHT) | (x < 0) | (x >= WIDTH)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("axis", [2, 3])
def test_the_rate_and_no_pattern(axis, rate):
    """Of 221,184 weights: the share within 5 standard errors, in all and by image, head, query and key."""
    images, heads, length = 4, 4, 24
    zero = torch.zeros(images, heads, length, length)
    torch.manual_seed(3)
    found = []
    for key in range(length):
        v = zero.clone()
        (v[:, :, key] if axis == 2 else v[..., key]).fill_(1)
        torch.manual_seed(3)
        found.append(native_lines(zero, zero, v, torch.zeros(1, 47), heads, axis, rate) != 0)
    kept = torch.stack(found, -1).double()

    def check(mean: Tensor, count: int) -> None:
        assert ((mean - (1 - rate)).abs() <= 5 * (rate * (1 - rate) / count) ** 0.5).all()

    check(kept.mean(), kept.numel())
    for dimension in range(5):
        others = [d for d in range(5) if d != dimension]
        check(kept.mean(others), kept.numel() // kept.shape[dimension])
    rows = kept.flatten(0, 3) - (1 - rate)
    for neighbours in (rows[1:] * rows[:-1], rows[:, 1:] * rows[:, :-1]):  # queries, keys
        assert neighbours.mean().abs() <= 5 * rate * (1 - rate) / neighbours.numel() ** 0.5


@each_attention
def test_the_seed_comes_from_torchs_generator_once_a_call(attention):
    inputs = make()
    torch.manual_seed(5)
    first, second = attention(*inputs, RATE), attention(*inputs, RATE)
    assert not torch.equal(first, second)
    torch.manual_seed(5)
    again = attention(*inputs, RATE)
    again.sum().backward()
    assert torch.equal(again, first)
    assert torch.equal(attention(*inputs, RATE), second)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    attention(*inputs, 0.0)
    assert torch.equal(torch.rand(1), expected)


@each_attention
def test_heads_and_images_have_masks_of_their_own(attention):
    mask = drawn_mask(attention).flatten(0, 1)
    assert not any(torch.equal(mask[i], mask[j]) for i in range(len(mask)) for j in range(i))


@each_attention
def test_bfloat16_has_the_same_mask(attention):
    inputs = make()
    torch.manual_seed(7)
    exact = attention(*inputs, RATE)
    torch.manual_seed(7)
    out = attention(*[x.bfloat16() for x in inputs], RATE)
    assert (out - exact).norm() <= 0.03 * exact.norm()


def test_layers_take_the_kernels_with_dropout_too():
    x = torch.randn(1, 8, 20, 20)
    assert dropout_route(x) == "native"
    torch.manual_seed(1)
    layer = LocalAttention(8, 8, 8, 4, 5)
    layer.attention_dropout = 0.3
    auto = _seeded(layer, x)
    layer.route = "native"
    assert torch.equal(auto, _seeded(layer, x))
    table = torch.randn(2, 39)
    torch.manual_seed(2)
    auto = attend_lines("auto", x, x, x, table, 4, 2, 0.3)
    torch.manual_seed(2)
    assert torch.equal(auto, native_lines(x, x, x, table, 4, 2, 0.3))


def _seeded(layer: LocalAttention, x: Tensor) -> Tensor:
    torch.manual_seed(4)
    out: Tensor = layer(x)
    return out
