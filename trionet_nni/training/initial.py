"""A network as a training from scratch begins with it."""

from __future__ import annotations

import torch

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.cost import CostModel
from trionet_nni.data.seeding import seed_of
from trionet_nni.network.trionet import TrioNet, set_survival
from trionet_nni.operators.layers.attention_dropout import set_attention_dropout
from trionet_nni.settings.project import RecipeConfig


def initial_network(architecture: Architecture, recipe: RecipeConfig, task: CostModel) -> TrioNet:
    """Initial weights from the recipe's seed, and what the recipe drops.

    The global generator stays as it was.

    Args:
        task: what the classes and images are.
    """
    assert task.image_size is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(recipe.seed, "weights"))
        network = TrioNet(
            architecture,
            classes=task.classes,
            channels=task.channels,
            image_size=task.image_size,
            dropout=recipe.dropout,
        )
    set_attention_dropout(network, recipe.attention_dropout)
    set_survival(network, recipe.survival)
    return network
