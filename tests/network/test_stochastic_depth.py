"""Stochastic depth of stand-alone networks (Table 5): what is dropped, what is not, where it is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from spaces import small
from tests.helpers.architectures import random_architectures
from trionet_nni.errors import InputError
from trionet_nni.network.trionet import ResidualBlock, TrioNet, set_survival
from trionet_nni.settings.project import RecipeConfig, parse_project


def block_and_images() -> tuple[ResidualBlock, torch.Tensor]:
    torch.manual_seed(0)
    (architecture,) = random_architectures(small.TABLE, 1)
    network = TrioNet(architecture, classes=10, image_size=16)
    block = network.stages[0][0]
    assert isinstance(block, ResidualBlock)
    nn.init.ones_(block.bn_out.weight)
    return block, torch.randn(400, block.project_in.in_channels, 4, 4)


@pytest.mark.parametrize("survival", [0.8, 0.33])
def test_an_image_passes_through_the_shortcut_alone_or_through_both(survival: float) -> None:
    block, x = block_and_images()
    inside, shortcut = block.branch(x), block.shortcut(x)
    set_survival(block, survival)
    out = block(x)
    passed = torch.isclose(out, torch.relu(inside / survival + shortcut), atol=1e-5).flatten(1).all(1)
    skipped = torch.isclose(out, torch.relu(shortcut), atol=1e-5).flatten(1).all(1)
    assert (passed ^ skipped).all()
    assert abs(float(passed.float().mean()) - survival) < 4 * (survival * (1 - survival) / 400) ** 0.5


def test_nothing_is_dropped_in_evaluation_or_at_survival_one() -> None:
    block, x = block_and_images()
    set_survival(block, 1.0)
    assert torch.equal(block(x), block(x))
    block.eval()
    expected = block(x)
    set_survival(block, 0.33)
    assert torch.equal(block(x), expected)


def test_a_supernets_recipe_is_refused() -> None:
    settings = {
        "space": "spaces.small",
        "search": {"max_flops": 2e7},
        "supernet": {"recipe": {"survival": 0.8}},
    }
    with pytest.raises(InputError, match=r"supernet.recipe: found .* survival 1"):
        parse_project(settings, "x.yml: tuner.classArgs")


@pytest.mark.parametrize(
    ("change", "random"), [({}, False), ({"survival": 0.5}, True), ({"attention_dropout": 0.1}, True)]
)
def test_the_recipe_knows_whether_its_networks_draw(change: dict[str, float], random: bool) -> None:
    assert RecipeConfig(**change).random is random  # type: ignore[arg-type]
