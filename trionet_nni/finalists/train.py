"""Training a finalist from scratch on a rung, on the rung's training images alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

from trionet_nni.architecture.cost import CostModel
from trionet_nni.data import Splits
from trionet_nni.data.folds import fold
from trionet_nni.data.images import ImageSet
from trionet_nni.data.in_memory import in_memory
from trionet_nni.data.training_images import TrainingImages
from trionet_nni.finalists.halving import Training
from trionet_nni.finalists.results import FinalistResult
from trionet_nni.settings.project import DataConfig, RecipeConfig
from trionet_nni.training.evaluate import scores
from trionet_nni.training.fit import fit
from trionet_nni.training.initial import initial_network
from trionet_nni.training.recipe import resized

Point = dict[str, float]
POINTS = 5  # of its curve
CHECKPOINT_MINUTES = 2.0


def train_finalist(
    training: Training,
    recipe: RecipeConfig,
    data: DataConfig,
    splits: Splits | TrainingImages,
    directory: Path,
    report: Callable[[Point], None] = lambda point: None,
) -> FinalistResult:
    """Train a network from scratch and measure it on the search images of its rung.

    It goes on from `directory/last.ckpt`, where it was interrupted.

    Args:
        recipe: the rung's steps take the place of its steps and epochs (`training.recipe.resized`); initial
            weights and order of images are those of its seed, as in `trionet retrain`, on the first rung,
            and of the seeds after it on the others.
        data: the seed of the division, and `workers`: processes that prepare batches.
        splits: `train` and `search`, divided as the rung says (`data.folds`); no test image is read.
        directory: of this training.
        report: receives {"step", "loss", "accuracy"} on the search images a few times.

    Raises:
        InputError: there are fewer images than a batch, or the checkpoint is another run's.
        RunFailed: it diverged twice.
    """
    rung = training.rung
    train, search = fold(splits, rung.number, data.seed)
    recipe = resized(recipe, rung.steps, len(train) // recipe.batch_size, "retrain")
    recipe = recipe.model_copy(update={"seed": (recipe.seed + rung.number - 1) % 2**32})
    task = CostModel(splits.classes, splits.channels, splits.image_size)
    network = initial_network(training.architecture, recipe, task)
    points = {rung.steps * point // POINTS for point in range(1, POINTS)}  # its end is measured anyway
    curve = _Curve(network, in_memory(search), points, report)
    run = fit(
        network,
        recipe,
        train,
        directory,
        classes=splits.classes,
        title=f"finalist {training.architecture.hash[:8]}, training {rung.number}",
        progress=False,
        checkpoint_minutes=CHECKPOINT_MINUTES,
        workers=data.workers,
        callbacks=[curve],
    )
    if torch.cuda.is_available():
        network.cuda()
    point = curve.measure(rung.steps)
    return FinalistResult(training, point["loss"], point["accuracy"], len(search), run["seconds"])


class _Curve(pl.Callback):
    """Measures a network on the search images now and then while it is trained."""

    def __init__(
        self, network: nn.Module, images: ImageSet, at: set[int], report: Callable[[Point], None]
    ) -> None:
        self.network, self.images, self.at, self.report = network, images, at, report

    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any) -> None:
        """Measure where it is due."""
        if trainer.global_step in self.at:
            self.measure(trainer.global_step)

    def measure(self, step: int) -> Point:
        """Loss and accuracy now; reported, and given back."""
        found = scores(self.network, self.images)
        point = {"step": step, "loss": found.loss, "accuracy": found.accuracy}
        self.report(point)
        return point
