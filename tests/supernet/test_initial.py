"""A supernet begins as the static networks do that are cut out of it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from spaces.small import TABLE
from strategies.multi_head_sharing import SHARING
from strategies.one_shot import TrioNetOneShot, build_supernet
from tests.helpers.tiny import small_splits
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.network.trionet import TrioNet
from trionet_nni.settings.project import ProjectConfig
from trionet_nni.supernet.slicing import subnetwork_state


def supernet() -> nn.Module:
    config = ProjectConfig.model_validate({"space": "spaces.small", "search": {"max_flops": 2e7}})
    built = TrioNetOneShot(config.supernet, TABLE).mutate_model(build_supernet(config, small_splits()))
    assert isinstance(built, nn.Module)
    return built


def largest(operator: str) -> Architecture:
    return Architecture(
        TABLE.space, tuple((TABLE.choices(operator).stored,) * max(d) for d in TABLE.depths)
    )


def error(count: int) -> float:
    """Five standard errors of the standard deviation of so many normal numbers, relative."""
    return 5 / math.sqrt(2 * count)


def alike(mine: Tensor, theirs: Tensor) -> bool:
    """Equal where nothing is drawn; of what is drawn the spread about zero."""
    if not theirs.is_floating_point() or theirs.std() == 0:
        return torch.equal(mine, theirs)
    ratio = (mine.square().mean() / theirs.square().mean()).sqrt().item()
    return abs(math.log(ratio)) < 2 * error(mine.numel())


def test_every_convolution_has_he_initialization() -> None:
    """Torch's own would be uniform, and 2.4 times narrower for a square 1×1 convolution."""
    found = [module for module in supernet().modules() if isinstance(module, nn.Conv2d)]
    assert len(found) > 12
    for layer in found:
        outputs, _, height, width = layer.weight.shape
        spread = layer.weight.detach().square().mean().sqrt().item()
        wanted = math.sqrt(2 / (outputs * height * width))
        assert abs(math.log(spread / wanted)) < error(layer.weight.numel())


def test_the_last_norm_of_every_block_begins_with_zero() -> None:
    norms = {name: m for name, m in supernet().named_modules() if isinstance(m, nn.BatchNorm2d)}
    last = {name for name in norms if name.endswith(".bn_out")}
    assert len(last) == sum(max(depths) for depths in TABLE.depths)
    for name, norm in norms.items():
        assert torch.equal(norm.weight, torch.full_like(norm.weight, 0.0 if name in last else 1.0))
        assert not norm.bias.any()


@pytest.mark.parametrize("operator", TABLE.operator_names)
def test_the_largest_network_is_one_as_it_would_be_built(operator: str) -> None:
    """Tensor by tensor; those that a wider operator stretches have its spread, and a BN behind them."""
    network, splits = largest(operator), small_splits()
    cut = subnetwork_state(supernet().state_dict(), network, SHARING, 28)
    torch.manual_seed(0)
    static = TrioNet(network, classes=splits.classes, channels=splits.channels, image_size=28).state_dict()
    assert cut.keys() == static.keys()
    widest = max(choices.stored.inner(64) for choices in TABLE.operators)
    narrow = TABLE.choices(operator).stored.inner(64) < widest
    for name, mine in cut.items():
        if not (narrow and name.endswith("project_in.weight")):
            assert alike(mine, static[name]), name
