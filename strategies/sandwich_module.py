"""The "search" half of one-shot training in NNI's terms: what happens in one step of the supernet.

Per step: draw the sub-networks (Hierarchical Sampling, sandwich rule), one forward and backward pass for
each, the sum of their gradients, decay on the largest, one optimizer step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from nni.nas.evaluator.pytorch import LightningModule
from nni.nas.oneshot.pytorch.base_lightning import BaseOneShotLightningModule
from torch import Tensor

from strategies.elastic import elastic_blocks
from strategies.lanes import Lane, SecondLane, divided
from strategies.largest_first import OFF, Batch, LargestFirst
from strategies.sandwich import Step, draw
from strategies.usage import Usage
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.supernet.sampling import Sampling

LOG_EVERY_STEPS = 10


class SandwichModule(BaseOneShotLightningModule):  # type: ignore[misc]
    """Steps of the supernet on Lightning's Trainer.

    Every draw is a pure function of (seed, step), so that a resumed run repeats the uninterrupted one.

    Args:
        training_module: loss, optimizer and schedule.
        table: the search space.
        sampling: the rule for β and θ.
        sandwich: on, or its ablation.
        random_subnetworks: n of the sandwich rule.
        weight_decay: of the largest sub-network, per step.
        seed: of the draws.
        lanes: 2: on a CPU with threads for it, passes of a step run side by side (`strategies.lanes`).
        largest_first: options beyond the paper.
    """

    def __init__(
        self,
        training_module: LightningModule,
        *,
        table: SpaceTable,
        sampling: Sampling,
        sandwich: bool,
        random_subnetworks: int,
        weight_decay: float,
        seed: int,
        lanes: int = 1,
        largest_first: LargestFirst = OFF,
    ) -> None:
        super().__init__(training_module)
        self.table, self.sampling, self.sandwich = table, sampling, sandwich
        self.random_subnetworks, self.weight_decay, self.seed = random_subnetworks, weight_decay, seed
        self.operator_counts: Counter[str] = Counter()
        self._usage: Usage | None = None
        self.lanes, self.largest_first = lanes, largest_first
        self._lane: Lane | None = None
        # In a tuple, where Lightning does not take its supernet for a part of this module.
        self._second: tuple[SecondLane, ...] = ()

    def draw(self, step: int) -> Step:
        """The sub-networks of a step."""
        random = np.random.default_rng([self.seed, step])
        return draw(self.table, self.sampling, self.sandwich, self.random_subnetworks, random)

    def choose(self, architecture: Architecture) -> None:
        """Set every elastic module to a sub-network."""
        self._first.choose(architecture)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One optimizer step; the sum of its losses."""
        number = self.trainer.global_step
        torch.manual_seed(hash((self.seed, number)))  # dropout
        optimizer: Any = self.optimizers()
        optimizer.zero_grad(set_to_none=True)
        step = self.draw(number)
        losses = self.accumulate(batch, step)
        optimizer.optimizer.regions = self.usage.regions()
        optimizer.step()
        self.lr_schedulers().step()
        self._count(step)
        if (number + 1) % LOG_EVERY_STEPS == 0:
            self._log(number, losses)
        return torch.stack(losses).sum()

    def accumulate(self, batch: Batch, step: Step) -> list[Tensor]:
        """Backward passes of all sub-networks; gradients add up, and the largest's weights decay.

        Starts from gradients of None. Returns the losses, detached.
        """
        if self.largest_first:
            losses = self.largest_first.losses(self._passes, self.model, batch, step)
        else:
            losses = self._passes(batch, step.subnetworks)
        self.usage.average_over_processes()
        self.usage.add_decay(step.subnetworks[step.decayed], self.weight_decay)
        return losses

    def _passes(self, batch: Batch, subnetworks: Sequence[Architecture]) -> list[Tensor]:
        side_by_side = self.lanes > 1 and len(subnetworks) > 1 and _two_lanes_pay(batch[0])
        return (self._two_lanes if side_by_side else self._one_lane)(batch, subnetworks)

    def _one_lane(self, batch: Batch, subnetworks: Sequence[Architecture]) -> list[Tensor]:
        loss = self.training_module.loss
        return self._first.run(subnetworks, lambda _: loss(batch), self.manual_backward)

    def _two_lanes(self, batch: Batch, subnetworks: Sequence[Architecture]) -> list[Tensor]:
        threads = torch.get_num_threads()
        mine, its = divided(subnetworks)
        if not self._second:
            self._second = (SecondLane(self.model, threads // 2),)
        second = self._second[0]
        torch.set_num_threads(threads - threads // 2)
        try:
            wait = second.start([subnetworks[i] for i in its], partial(self.training_module.loss, batch))
            own = self._one_lane(batch, [subnetworks[i] for i in mine])
            losses = dict(zip([*mine, *its], [*own, *wait()], strict=True))
        finally:
            torch.set_num_threads(threads)
        second.add_gradients()
        return [losses[i] for i in range(len(subnetworks))]

    @property
    def _first(self) -> Lane:
        if self._lane is None:
            self._lane = Lane(self.model)
        return self._lane

    @property
    def usage(self) -> Usage:
        """Bookkeeping of the used parts, made when the supernet exists."""
        if self._usage is None:
            self._usage = Usage(self.model)
        return self._usage

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the counts of the operators."""
        checkpoint["operator_counts"] = dict(self.operator_counts)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Read the counts of the operators."""
        self.operator_counts = Counter(checkpoint["operator_counts"])

    def _count(self, step: Step) -> None:
        largest = max(step.subnetworks, key=lambda a: sum(a.depths))
        self.operator_counts.update(block.operator for _, block in largest.blocks())

    def _log(self, number: int, losses: list[Tensor]) -> None:
        total = max(1, sum(self.operator_counts.values()))
        names = ["smallest", "largest"] if self.sandwich else []
        names += [f"random{index}" for index in range(len(losses) - len(names))]
        values = {f"loss/{name}": float(loss) for name, loss in zip(names, losses, strict=True)}
        for operator in self.table.operator_names:
            values[f"sampled/{operator}"] = self.operator_counts[operator] / total
            values[f"gradient_norm/{operator}"] = self._gradient_norm(operator)
        values["learning_rate"] = self.trainer.optimizers[0].param_groups[0]["lr"]
        for logger in self.loggers:
            logger.log_metrics(values, number)

    def _gradient_norm(self, operator: str) -> float:
        """Euclidean norm over all blocks' weights of an operator in the step just taken."""
        gradients = [
            parameter.grad.norm()
            for block in elastic_blocks(self.model)
            if operator in block.operators
            for parameter in block.operators[operator].parameters()
            if parameter.grad is not None
        ]
        return float(torch.stack(gradients).norm()) if gradients else 0.0


def _two_lanes_pay(images: Tensor) -> bool:
    """Whether there is a thread for each; autocast, which a new thread does not have, keeps to one."""
    if images.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        return False
    return torch.get_num_threads() > 1
