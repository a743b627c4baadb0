"""What stages would take on a card that is not here: operations, bytes, and the card's figures.

A pass takes as long as its operations do at a share of the card's rates (`floor`), a step as long as its
passes and its optimizer. Nothing is measured, and every number that is assumed is named here.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from numpy.random import RandomState

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.budget import Budget
from trionet_nni.architecture.cost import CostModel
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.network.trionet import TrioNet
from trionet_nni.plan.floor import Floor, Rates, floor_of
from trionet_nni.plan.gpus import Gpu
from trionet_nni.plan.measure import Timings
from trionet_nni.settings.plugins import load_module
from trionet_nni.settings.project import ProjectConfig, RecipeConfig, SupernetRecipe
from trionet_nni.supernet.stored import supernet_kinds
from trionet_nni.training.evaluate import BATCH

# Of the peak, in arithmetic as in bandwidth. Rates that NVIDIA published for training ResNet-50 (its
# DeepLearningExamples, 2021) are 0.57 (A100, bf16), 0.43 (A100, TF32), 0.65 (V100, fp16) and 0.80 (V100,
# fp32) of what `floor` allows at the whole peak.
SHARE = 0.5
# Between two candidates of a slot: the trial's process, and until NNI's manager starts the next one
# (docs/performance-notes.md).
BETWEEN_SECONDS = 1.4
_RUNTIME_BYTES = 2e9  # CUDA's own, libraries' workspaces, and blocks that the allocator cannot fill
_PASSED_STEPS = 2  # whose passes are listed operation by operation
_DRAWN_STEPS = 300  # whose FLOPs are counted: the passes are scaled to their mean
_NUMBERS = 4  # bytes of a weight, of its gradient and of its momentum


class Estimate:
    """Of one experiment on one card.

    Args:
        cost: at the experiment's image size and number of classes.
        bandwidth: bytes a second from a card to another one, where several train together.
    """

    def __init__(
        self, config: ProjectConfig, gpu: Gpu, table: SpaceTable, cost: CostModel, bandwidth: float
    ) -> None:
        self.config, self.gpu, self.table, self.cost = config, gpu, table, cost
        self.bandwidth = bandwidth
        assert cost.image_size is not None
        stored = supernet_kinds(table, cost.classes, cost.channels, cost.image_size)
        self.numbers = sum(math.prod(shape) for shape, _ in stored.values())

    def timings(self, budgets: Sequence[Budget], images: int) -> Timings:
        """Seconds and bytes as if they had been measured.

        Args:
            images: that a candidate's evaluation reads.
        """
        recipe, retrain = self.config.supernet.recipe, self.config.retrain
        step, kept = self._supernet(recipe)
        network = budgets[-1].random(RandomState(0))
        forward = self._pass(network, BATCH, self.config.retrain, backward=False)
        one = self._pass(network, retrain.batch_size, retrain)
        params = self.cost(network).params
        alone = last = one.seconds + self._optimizer(params)
        if retrain.devices > 1:
            part = self._pass(network, retrain.batch_size // retrain.devices, retrain)
            last = part.seconds + self._optimizer(params) + self._exchange(params, retrain.devices)
        supernet = 3 * _NUMBERS * self.numbers + kept
        return Timings(
            device=self.gpu.name,
            step=step,
            candidate=forward.seconds * images / BATCH + BETWEEN_SECONDS,
            finalist_step=alone,
            retrain_step=last,
            memory=_RUNTIME_BYTES + max(supernet, 3 * _NUMBERS * params + one.kept),
            batch=recipe.batch_size,
            weights=_NUMBERS * self.numbers,
            checkpoint=2 * _NUMBERS * self.numbers,
        )

    def _supernet(self, recipe: SupernetRecipe) -> tuple[float, int]:
        """Seconds of a step, whose parts come one after another, and bytes that its largest pass keeps."""
        devices, parts = self.config.supernet.devices, recipe.parts
        steps = self._draws(_DRAWN_STEPS)
        mean = float(np.mean([self._flops(step) for step in steps]))
        passes = [
            self._pass(one, recipe.batch_size // parts, recipe)
            for step in steps[:_PASSED_STEPS]
            for one in step
        ]
        seconds = sum(one.seconds for one in passes) * parts / devices
        listed = sum(self._flops(step) for step in steps[:_PASSED_STEPS])
        once = self._optimizer(self.numbers) + self._exchange(self.numbers, devices)
        return seconds / listed * mean + once, max(one.kept for one in passes)

    def _draws(self, count: int) -> list[Sequence[Architecture]]:
        """Sub-networks of so many steps, as the strategy would draw them."""
        wanted = ("train_supernet", "subnetworks")
        with warnings.catch_warnings():  # NNI's, on being imported, about classes that torch has now
            warnings.filterwarnings("ignore", ".* is found to be not a nn.Module", RuntimeWarning)
            plugin = load_module(self.config.supernet.strategy, wanted, "supernet.strategy")
        random = np.random.default_rng(0)
        return [plugin.subnetworks(self.config.supernet, self.table, random) for _ in range(count)]

    def _flops(self, networks: Sequence[Architecture]) -> int:
        return sum(self.cost(network).flops for network in networks)

    def _pass(
        self, network: Architecture, batch: int, recipe: RecipeConfig, *, backward: bool = True
    ) -> Floor:
        """Forward and backward of one batch; a candidate is evaluated in fp32."""
        single = recipe.precision == "32-true" or not backward
        dtype, peak = (torch.float32, self.gpu.fp32) if single else (torch.bfloat16, self.gpu.bf16)
        rates = Rates(SHARE * self.gpu.bandwidth, SHARE * peak)
        with torch.device("meta"):
            built = TrioNet(
                network,
                classes=self.cost.classes,
                channels=self.cost.channels,
                image_size=self.cost.image_size,
            )
        side = self.cost.image_size
        assert side is not None
        return floor_of(built, (batch, self.cost.channels, side, side), dtype, rates, backward=backward)

    def _exchange(self, numbers: int, devices: int) -> float:
        """A ring's all-reduce: a card sends each gradient nearly twice; of a supernet all, at most."""
        return 2 * (devices - 1) / devices * _NUMBERS * numbers / self.bandwidth

    def _optimizer(self, numbers: int) -> float:
        """SGD with momentum reads weights, gradients and momenta and writes two of them."""
        return 5 * _NUMBERS * numbers / (SHARE * self.gpu.bandwidth)
