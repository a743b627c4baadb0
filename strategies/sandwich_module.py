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
from torch.nn import Module

from strategies.elastic import elastic_blocks
from strategies.lanes import Lane, SecondLane, divided
from strategies.sandwich import Step, draw
from strategies.usage import Usage
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.supernet.sampling import Sampling
from trionet_nni.training.share import ALONE, Share

LOG_EVERY_STEPS = 10
Batch = tuple[Tensor, Tensor]  # images [B, C, S, S] and labels [B]


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
        parts: passes of a sub-network that a batch takes, one after the other, in all processes together.
        share: this process's, of the parts.
        lanes: 2: on a CPU with threads for it, passes of a step run side by side (`strategies.lanes`).
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
        parts: int = 1,
        share: Share = ALONE,
        lanes: int = 1,
    ) -> None:
        super().__init__(training_module)
        self.table, self.sampling, self.sandwich = table, sampling, sandwich
        self.random_subnetworks, self.weight_decay, self.seed = random_subnetworks, weight_decay, seed
        self.parts, self.share = parts, share
        self.operator_counts: Counter[str] = Counter()
        self._usage: Usage | None = None
        self.lanes = lanes
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
        optimizer: Any = self.optimizers()
        optimizer.zero_grad(set_to_none=True)
        step = self.draw(number)
        losses = self.accumulate(batch, step, number)
        optimizer.optimizer.regions = self.usage.regions()
        optimizer.step()
        self.lr_schedulers().step()
        self._count(step)
        if (number + 1) % LOG_EVERY_STEPS == 0:
            self._log(number, losses)
        return losses.sum()

    def accumulate(self, batch: Batch, step: Step, number: int = 0) -> Tensor:
        """Backward passes of all sub-networks; gradients add up, and the largest's weights decay.

        Starts from gradients of None. Where a batch is taken in parts, gradients and losses are the means
        over all of them, of all processes.

        Args:
            batch: what this process trains on: all parts of its share.
            number: of the step; decides what dropout draws.

        Returns:
            The losses, detached, [sub-networks].
        """
        side_by_side = self.lanes > 1 and len(step.subnetworks) > 1 and _two_lanes_pay(batch[0])
        passes = self._two_lanes if side_by_side else self._one_lane
        mine = self.share.of(self.parts)
        losses: list[Tensor] = []
        for part, images, labels in zip(mine, *(tensor.chunk(len(mine)) for tensor in batch), strict=True):
            whose = (self.seed, number) if self.parts == 1 else (self.seed, number, part)
            torch.manual_seed(hash(whose))  # dropout
            losses.append(torch.stack(passes((images, labels), step.subnetworks)))
        loss = torch.stack(losses).sum(0)
        self.usage.average_over_processes(loss)
        self.usage.add_decay(step.subnetworks[step.decayed], self.weight_decay)
        return loss

    def _loss(self, batch: Batch, supernet: Module | None = None) -> Tensor:
        """Of one part, weighed so that those of this process add up to a mean."""
        task = self.training_module
        loss: Tensor = task.loss(batch) if supernet is None else task.loss(batch, supernet)
        return loss / len(self.share.of(self.parts))

    def _one_lane(self, batch: Batch, subnetworks: Sequence[Architecture]) -> list[Tensor]:
        return self._first.run(subnetworks, lambda _: self._loss(batch), self.manual_backward)

    def _two_lanes(self, batch: Batch, subnetworks: Sequence[Architecture]) -> list[Tensor]:
        threads = torch.get_num_threads()
        mine, its = divided(subnetworks)
        if not self._second:
            self._second = (SecondLane(self.model, threads // 2),)
        second = self._second[0]
        torch.set_num_threads(threads - threads // 2)
        try:
            wait = second.start([subnetworks[i] for i in its], partial(self._loss, batch))
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

    def _log(self, number: int, losses: Tensor) -> None:
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
