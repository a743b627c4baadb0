"""Dropout of attention weights: exact gradients of the drawn mask, right on average, off in evaluation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from spaces import small
from strategies.elastic import elastic_blocks
from strategies.one_shot import TrioNetOneShot
from tests.helpers.architectures import random_architectures
from trionet_nni.network.trionet import TrioNet
from trionet_nni.operators.layers.attention_dropout import Drop, set_attention_dropout
from trionet_nni.operators.layers.line_attention import line_attention
from trionet_nni.operators.layers.local_attention import LocalAttention, local_attention
from trionet_nni.settings.project import RecipeConfig, SupernetConfig

HEADS = 2
Attention = Callable[[Tensor, Tensor, Tensor, float], Tensor]


def local(route: str, border: str, window: int = 3) -> Attention:
    rows, columns = table(window), table(window)

    def run(q: Tensor, k: Tensor, v: Tensor, rate: float) -> Tensor:
        return local_attention(q, k, v, rows, columns, HEADS, border=border, route=route, dropout=rate)

    return run


def lines(axis: int) -> Attention:
    offsets = table(13)
    return lambda q, k, v, rate: line_attention(q, k, v, offsets, HEADS, axis, rate)


def table(length: int) -> Tensor:
    return torch.randn(2, length, generator=torch.Generator().manual_seed(length), dtype=torch.float64)


ATTENTIONS = {
    **{
        f"{route} {border}": local(route, border)
        for route in ("window", "dense", "halo")
        for border in ("zero", "mask")
    },
    "auto": local("auto", "zero", 5),
    "height": lines(2),
    "width": lines(3),
}
each_attention = pytest.mark.parametrize("attention", ATTENTIONS.values(), ids=ATTENTIONS)


def inputs(batch: int = 1, channels: int = 4) -> list[Tensor]:
    random = torch.Generator().manual_seed(3)
    shape = (batch, channels, 5, 6)
    return [torch.randn(shape, generator=random, dtype=torch.float64, requires_grad=True) for _ in range(3)]


@each_attention
def test_gradients_are_those_of_the_mask_that_was_drawn(attention: Attention) -> None:
    def seeded(*qkv: Tensor) -> Tensor:
        torch.manual_seed(5)
        return attention(*qkv, 0.4)

    assert torch.autograd.gradcheck(seeded, inputs())


@each_attention
def test_right_on_average_and_different_each_time(attention: Attention) -> None:
    torch.manual_seed(0)
    qkv = [x.detach() for x in inputs()]
    expected = attention(*qkv, 0.0)
    drawn = torch.stack([attention(*qkv, 0.3) for _ in range(3000)])
    error = drawn.std(0) / 3000**0.5
    assert ((drawn.mean(0) - expected).abs() < 5 * error + 1e-12).all()
    assert drawn.std(0).min() > 0


@each_attention
def test_the_generator_goes_on_as_if_there_were_no_backward_pass(attention: Attention) -> None:
    torch.manual_seed(1)
    attention(*inputs(), 0.5).sum()
    expected = torch.rand(3)
    torch.manual_seed(1)
    attention(*inputs(), 0.5).sum().backward()
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("route", ["shift", "triton"])
def test_a_route_that_cannot_drop_weights_is_refused(route: str) -> None:
    with pytest.raises(
        ValueError, match=f"route: found '{route}' with dropout, allowed: window, dense, halo, native"
    ):
        local(route, "zero")(*inputs(), 0.1)


def test_rate_zero_draws_nothing() -> None:
    torch.manual_seed(2)
    expected = torch.rand(3)
    torch.manual_seed(2)
    assert Drop(0.0, torch.device("cpu")).mask(torch.ones(2)) is None
    assert torch.equal(torch.rand(3), expected)


def test_networks_drop_in_training_only() -> None:
    torch.manual_seed(0)
    layer, x = LocalAttention(8, 8, 8, 4, 3), torch.randn(2, 8, 6, 6)
    network = nn.Sequential(layer)
    expected = network(x)
    set_attention_dropout(network, 0.5)
    assert not torch.equal(network(x), network(x))
    torch.testing.assert_close(network.eval()(x), expected)


def test_the_supernet_drops_as_its_frozen_networks_do() -> None:
    """Same weights, same generator: the same masks, the same outputs and, by them, the same training."""
    rate = 0.25
    config = SupernetConfig(recipe=RecipeConfig(attention_dropout=rate))
    strategy = TrioNetOneShot(config, small.TABLE)
    supernet = strategy.mutate_model(small.build(classes=10, channels=3, image_size=16))
    x = torch.randn(4, 3, 16, 16)
    for block in elastic_blocks(supernet):
        nn.init.constant_(block.bn_out.weight, 0.5)
        assert block.attention_dropout == rate
    (architecture,) = [
        network
        for network in random_architectures(small.TABLE, 20)
        if {block.operator for _, block in network.blocks()} == {"local", "axial", "conv"}
    ][:1]
    from trionet_nni.network.trionet import network_from_state
    from trionet_nni.supernet.slicing import subnetwork_state

    state = subnetwork_state(supernet.state_dict(), architecture, strategy.sharing, 16)
    frozen: TrioNet = network_from_state(architecture, state, image_size=16).train()
    set_attention_dropout(frozen, rate)
    for module in supernet.modules():
        if hasattr(module, "resample"):
            module.resample(memo=architecture.to_sample())
    outputs = []
    for network in (supernet.train(), frozen):
        torch.manual_seed(9)
        outputs.append(network(x))
    torch.testing.assert_close(*outputs)
    torch.manual_seed(9)
    assert not torch.equal(supernet(x), supernet(x))
    torch.testing.assert_close(supernet.eval()(x), supernet(x))
