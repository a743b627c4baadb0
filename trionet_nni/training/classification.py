"""Image classification: network, loss with label smoothing, top-1 accuracy (appendix A)."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy

from trionet_nni.data.seeding import seed_of
from trionet_nni.settings.project import RecipeConfig
from trionet_nni.training.ranks import mean_of_all
from trionet_nni.training.recipe import optimizer, schedule


class Classification(pl.LightningModule):
    """Trains a network by a recipe.

    Args:
        network: [B, C, S, S] → logits [B, classes].
        steps_per_epoch: turns the recipe's epochs into steps.
        fingerprint: what is trained on what; kept in checkpoints so that another run's is not continued.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: RecipeConfig,
        classes: int,
        steps_per_epoch: int,
        fingerprint: str = "",
    ) -> None:
        super().__init__()
        self.network, self.recipe = network, recipe
        self.steps_per_epoch, self.fingerprint = steps_per_epoch, fingerprint
        self.accuracy = MulticlassAccuracy(classes, average="micro")

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, S, S] → logits [B, classes]."""
        logits: Tensor = self.network(x)
        return logits

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Make what the network drops, the only other source of chance, a function of the step too."""
        if self.recipe.random:
            part = ("part", self.global_rank) if self.trainer.world_size > 1 else ()
            torch.manual_seed(seed_of(self.recipe.seed, "dropout", self.global_step, *part))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Tensor]:
        """Cross entropy with label smoothing, and the accuracy on the batch.

        Of a batch that several processes share both are those of the whole, in each of them: so all see at
        the same step that a run diverges. The gradient is that of the own share.
        """
        images, labels = batch
        logits = self(images)
        loss = F.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)
        accuracy = self.accuracy(logits.detach(), labels)
        if self.trainer.world_size > 1:
            mean, accuracy = mean_of_all(torch.stack([loss.detach(), accuracy]))
            loss = loss + (mean - loss).detach()
        self.log("train/loss", loss)
        self.log("train/learning rate", self.trainer.optimizers[0].param_groups[0]["lr"])
        self.log("train/accuracy", accuracy)
        self.accuracy.reset()
        return {"loss": loss, "accuracy": accuracy}

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The recipe's optimizer, its learning rate moved on after every step."""
        sgd = optimizer(self.recipe, self.network.parameters())
        rates = schedule(self.recipe, sgd, self.steps_per_epoch)
        return {"optimizer": sgd, "lr_scheduler": {"scheduler": rates, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say what is trained on what, so that another run's checkpoint is refused."""
        checkpoint["fingerprint"] = self.fingerprint
