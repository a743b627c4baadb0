"""Training a finalist from the end of one rung to the end of the next, on the training images alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

from trionet_nni.architecture.cost import CostModel
from trionet_nni.data import Splits
from trionet_nni.data.images import ImageSet
from trionet_nni.data.in_memory import in_memory
from trionet_nni.finalists.halving import Rung, Training
from trionet_nni.finalists.results import FinalistResult
from trionet_nni.settings.project import RecipeConfig
from trionet_nni.training.evaluate import scores
from trionet_nni.training.fit import fit
from trionet_nni.training.initial import initial_network
from trionet_nni.training.recipe import in_rungs

Point = dict[str, float]
POINTS = 5  # of its curve, on each rung
CHECKPOINT_MINUTES = 2.0


def train_finalist(
    training: Training,
    ladder: Sequence[Rung],
    recipe: RecipeConfig,
    splits: Splits,
    directory: Path,
    report: Callable[[Point], None] = lambda point: None,
    *,
    workers: int | None = None,
) -> FinalistResult:
    """Train a network to the end of a rung and measure it on the search images.

    It goes on from `directory/last.ckpt`: from the rung before, or from where it was interrupted. One run
    goes through all rungs, whose learning rate starts again at each; see `finalists.halving`.

    Args:
        recipe: the ladder's steps take the place of its steps and epochs, and its warm-up fits the first
            rung (`training.recipe.in_rungs`); its seed gives the initial weights, as in `trionet retrain`.
        splits: `train` trains, `search` measures; no test image is read.
        directory: of this network's training.
        report: receives {"step", "loss", "accuracy"} on the search images a few times on each rung.
        workers: processes that prepare batches.

    Raises:
        InputError: there are fewer images than a batch, or the checkpoint is another run's.
        RunFailed: it diverged twice.
    """
    rung = training.rung
    recipe = in_rungs(recipe, [other.steps for other in ladder], len(splits.train) // recipe.batch_size)
    task = CostModel(splits.classes, splits.channels, splits.image_size)
    network = initial_network(training.architecture, recipe, task)
    curve = _Curve(network, in_memory(splits.search), _points(rung, ladder), report)
    run = fit(
        network,
        recipe,
        splits.train,
        directory,
        classes=splits.classes,
        title=f"finalist {training.architecture.hash[:8]}",
        progress=False,
        checkpoint_minutes=CHECKPOINT_MINUTES,
        workers=workers,
        stop_after_steps=rung.steps,
        restarts=[other.steps for other in ladder[:-1]],
        callbacks=[curve],
    )
    if torch.cuda.is_available():
        network.cuda()
    point = curve.measure(rung.steps)
    return FinalistResult(training, point["loss"], point["accuracy"], len(splits.search), run["seconds"])


def _points(rung: Rung, ladder: Sequence[Rung]) -> set[int]:
    """Steps within a rung at which the curve is measured; its end is measured anyway."""
    begin = max((other.steps for other in ladder if other.number < rung.number), default=0)
    return {begin + (rung.steps - begin) * point // POINTS for point in range(1, POINTS)}


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
