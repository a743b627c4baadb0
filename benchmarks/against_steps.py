"""Steps of a checkout, built by its own code: what benchmarks.against runs in each of its sides.

Only what the project has had since its rooms were built is imported, so that an earlier commit can run it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from strategies.elastic import elastic_blocks
from strategies.hierarchical_sampling import SAMPLING
from strategies.one_shot import SupernetTask, TrioNetOneShot
from strategies.sandwich import draw
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.cost import architecture_cost
from trionet_nni.network.trionet import TrioNet
from trionet_nni.settings.project import RecipeConfig, SupernetConfig
from trionet_nni.training.recipe import optimizer

CLASSES, STEPS = 10, 8
LEAST, MOST = 15e6, 20e6  # FLOPs of the networks that are trained alone: near the quickstart's budget
_RECIPE = RecipeConfig(epochs=540, learning_rate=0.01)
Step = Callable[[], None]


def supernet_steps(space: str, size: int, channels: int, batch: int) -> list[Step]:
    """Optimizer steps of the supernet, all four passes of each."""
    module = importlib.import_module(space)
    torch.manual_seed(0)
    strategy = TrioNetOneShot(SupernetConfig(recipe=_RECIPE), module.TABLE)
    supernet = strategy.mutate_model(module.build(classes=CLASSES, channels=channels, image_size=size))
    for block in elastic_blocks(supernet):  # γ = 0 would make most gradients zero
        nn.init.constant_(block.bn_out.weight, 0.5)
    task = SupernetTask(_RECIPE, 100)
    task.set_model(supernet)
    one_shot = strategy.configure_oneshot_module(task)
    one_shot.manual_backward = lambda loss: loss.backward()
    sgd = task.configure_optimizers()[0][0]
    images, labels = _images(size, channels, batch)

    def step(number: int) -> None:
        supernet.zero_grad(set_to_none=True)
        one_shot.accumulate((images, labels), one_shot.draw(number))
        sgd.regions = one_shot.usage.regions()
        sgd.step()

    return [lambda number=number: step(number) for number in range(STEPS)]  # type: ignore[misc]


def retraining_steps(space: str, size: int, channels: int, batch: int) -> list[Step]:
    """Optimizer steps of networks drawn at random, one after the other."""
    images, labels = _images(size, channels, batch)
    return [_retraining(a, size, images, labels) for a in _drawn(space, size, channels)]


def _retraining(architecture: Architecture, size: int, images: Tensor, labels: Tensor) -> Step:
    network = TrioNet(architecture, classes=CLASSES, channels=images.shape[1], image_size=size)
    sgd = optimizer(_RECIPE, network.parameters())

    def step() -> None:
        sgd.zero_grad(set_to_none=True)
        F.cross_entropy(network(images), labels, label_smoothing=0.1).backward()
        sgd.step()

    return step


def _drawn(space: str, size: int, channels: int) -> list[Architecture]:
    table, found, number = importlib.import_module(space).TABLE, [], 0
    while len(found) < STEPS:
        for architecture in draw(table, SAMPLING, False, 2, np.random.default_rng(number)).subnetworks:
            cost = architecture_cost(architecture, image_size=size, classes=CLASSES, channels=channels)
            if LEAST <= cost.flops <= MOST:
                found.append(architecture)
        number += 1
    return found[:STEPS]


def _images(size: int, channels: int, batch: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch, channels, size, size, generator=generator)
    return images, torch.randint(CLASSES, (batch,), generator=generator)
