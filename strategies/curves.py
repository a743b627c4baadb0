"""The training curves of Fig. 5: accuracy of the largest sub-network of each operator."""

from __future__ import annotations

from collections.abc import Callable

import pytorch_lightning as pl

from strategies.sandwich import largest_of
from strategies.sandwich_module import SandwichModule
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.data import Splits
from trionet_nni.network.trionet import network_from_state
from trionet_nni.supernet.sharing import Sharing
from trionet_nni.supernet.slicing import subnetwork_state
from trionet_nni.training.chance import chance, third, warn_at_chance
from trionet_nni.training.evaluate import accuracy
from trionet_nni.training.recalibrate import recalibrate


class Curves(pl.Callback):
    """Measures the largest sub-networks on the search images, a given number of times in a run.

    Args:
        splits: recalibration images for BN, search images for the accuracy.
        table: the search space.
        sharing: the rule by which sub-networks are cut out.
        steps: optimizer steps of the whole run.
        points: measurements in it; the last one is at its end.
        report: receives them.
    """

    def __init__(
        self,
        splits: Splits,
        table: SpaceTable,
        sharing: Sharing,
        steps: int,
        points: int,
        report: Callable[[dict[str, float]], None],
    ) -> None:
        self.splits, self.table, self.sharing, self.report = splits, table, sharing, report
        self.at = {round(steps * point / points) for point in range(1, points + 1)}
        due = third(steps)
        self.looked_at = None if due is None else min(step for step in self.at if step >= due)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: object) -> None:
        """Measure where it is due; of several processes, the first does."""
        if trainer.global_step not in self.at or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, SandwichModule)
        measured = {name: self._accuracy(pl_module, name) for name in self.table.operator_names}
        for logger in trainer.loggers:
            logger.log_metrics({f"largest/{k}": v for k, v in measured.items()}, trainer.global_step)
        mean = sum(measured.values()) / len(measured)
        if trainer.global_step == self.looked_at:
            labels = self.splits.search.labels
            best, level = max(measured.values()), chance(labels)
            warn_at_chance("supernet", trainer.global_step, best, level, len(labels))
        self.report({"default": mean, **measured, "step": trainer.global_step})

    def _accuracy(self, module: SandwichModule, operator: str) -> float:
        """Top-1 accuracy with recalibrated BN, of a copy: the supernet itself stays as it was."""
        architecture = largest_of(self.table, operator)
        size = self.splits.image_size
        state = subnetwork_state(module.model.state_dict(), architecture, self.sharing, size)
        network = network_from_state(architecture, state, image_size=size)
        recalibrate(network, self.splits.recalibration)
        return accuracy(network, self.splits.search)
