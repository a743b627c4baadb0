"""The supernet of the paper's space, and what its steps are compared with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spaces import trionet
from strategies.elastic import elastic_blocks
from strategies.hierarchical_sampling import SAMPLING
from strategies.one_shot import SupernetTask, TrioNetOneShot
from strategies.sandwich import Step, largest, smallest
from strategies.sandwich_module import SandwichModule
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.network.trionet import TrioNet, network_from_state
from trionet_nni.settings.project import RecipeConfig, SupernetConfig
from trionet_nni.supernet.slicing import subnetwork_state

CLASSES = 1000
TABLE = trionet.TABLE


class StepCase:
    """One supernet with one batch of random images.

    Args:
        size: side of the images in pixels.
        batch: images in a batch.
        seed: of weights, images and drawn networks.
    """

    def __init__(self, size: int, batch: int, seed: int = 0) -> None:
        self.size, self.random = size, np.random.default_rng(seed)
        config = SupernetConfig(recipe=RecipeConfig(epochs=540, seed=seed))
        self.strategy = TrioNetOneShot(config, TABLE)
        self.supernet = self.strategy.mutate_model(
            trionet.build(classes=CLASSES, channels=3, image_size=size)
        )
        for block in elastic_blocks(self.supernet):  # γ = 0 would make most gradients zero
            nn.init.constant_(block.bn_out.weight, 0.5)
        task = SupernetTask(config.recipe, 100)
        task.set_model(self.supernet)
        self.module: SandwichModule = self.strategy.configure_oneshot_module(task)
        self.module.manual_backward = lambda loss: loss.backward()
        self.optimizer = task.configure_optimizers()[0][0]
        self.images, self.labels = torch.randn(batch, 3, size, size), torch.randint(CLASSES, (batch,))

    def drawn(self) -> Architecture:
        """A network as Hierarchical Sampling draws it."""
        return SAMPLING.configuration(TABLE, SAMPLING.operators(TABLE, self.random), self.random)

    def step(self) -> Step:
        """Smallest, largest and two random networks under one β that uses all operators alike."""
        names = TABLE.operator_names
        beta = {at: names[number % len(names)] for number, at in enumerate(TABLE.positions())}
        drawn = [SAMPLING.configuration(TABLE, beta, self.random) for _ in range(2)]
        return Step((smallest(TABLE, beta), largest(TABLE, beta), *drawn), 1)

    def frozen(self, architecture: Architecture) -> TrioNet:
        """A static network with the sub-network's weights."""
        state = subnetwork_state(self.supernet.state_dict(), architecture, self.strategy.sharing, self.size)
        return network_from_state(architecture, state, image_size=self.size)

    def loss(self, network: nn.Module) -> Tensor:
        """Cross entropy of a forward pass, labels smoothed as in the recipe."""
        return F.cross_entropy(network(self.images), self.labels, label_smoothing=0.1)

    def subnetwork_pass(self, architecture: Architecture) -> Callable[[], None]:
        """Choose, forward and backward in the supernet, from gradients of None."""

        def run() -> None:
            self.supernet.zero_grad(set_to_none=True)
            self.module.choose(architecture)
            self.loss(self.supernet).backward()

        return run

    def static_pass(self, network: nn.Module) -> Callable[[], None]:
        """Forward and backward of any other network, from gradients of None."""

        def run() -> None:
            network.zero_grad(set_to_none=True)
            self.loss(network).backward()

        return run

    def move(self) -> None:
        """The optimizer's step on what the passes before it used."""
        self.optimizer.regions = self.module.usage.regions()
        self.optimizer.step()

    def whole_step(self, step: Step) -> Callable[[], None]:
        """All passes of a training step, decay and the optimizer."""

        def run() -> None:
            self.supernet.zero_grad(set_to_none=True)
            self.module.accumulate((self.images, self.labels), step)
            self.move()

        return run
