"""A task as Lightning trains it."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor

from trionet_nni.data.seeding import seed_of
from trionet_nni.segmentation.recipe import optimizer, schedule
from trionet_nni.segmentation.shared.config import RecipeConfig
from trionet_nni.segmentation.shared.task import Batch, SegmentationTask
from trionet_nni.training.ranks import mean_of_all


class SegmentationModule(pl.LightningModule):
    """Minimizes a task's loss by a recipe.

    Args:
        fingerprint: what is trained on what; kept in checkpoints so that another run's is not continued.
    """

    def __init__(self, task: SegmentationTask[Any], recipe: RecipeConfig, fingerprint: str) -> None:
        super().__init__()
        self.model = task.model
        self.task, self.recipe, self.fingerprint = task, recipe, fingerprint

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Make dropout, the only other source of chance, a function of the step too."""
        part = ("part", self.global_rank) if self.trainer.world_size > 1 else ()
        torch.manual_seed(seed_of(self.recipe.seed, "dropout", self.global_step, *part))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The task's loss, with its parts logged.

        Of a batch that several processes share its value is the mean over them, in each; the gradient is
        that of the own share.
        """
        parts = self.task.loss(batch)
        if self.trainer.world_size > 1:
            means = mean_of_all(torch.stack([value.detach() for value in parts.values()]))
            parts = {
                name: value + (mean - value).detach()
                for (name, value), mean in zip(parts.items(), means, strict=True)
            }
        for name, value in parts.items():
            self.log(f"train/{name}", value.detach())
        self.log("train/learning rate", self.trainer.optimizers[0].param_groups[0]["lr"])
        return parts["loss"]

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The recipe's optimizer, its learning rate moved on after every step."""
        chosen = optimizer(self.recipe, self.model.parameters())
        rates = schedule(self.recipe, chosen)
        return {"optimizer": chosen, "lr_scheduler": {"scheduler": rates, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say what is trained on what, so that another run's checkpoint is refused."""
        checkpoint["fingerprint"] = self.fingerprint
