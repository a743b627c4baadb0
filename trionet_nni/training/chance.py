"""A run that has learned nothing after a third of its steps says so, once, and goes on."""

from __future__ import annotations

import math
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from trionet_nni.errors import say
from trionet_nni.training.share import this_share

_FEWEST = 100  # steps before it is worth a line: warm-up alone may take that long


def chance(labels: Tensor) -> float:
    """The best accuracy without looking at the images: the share of the most frequent class."""
    return float(labels.bincount().max()) / len(labels)


def third(steps: int) -> int | None:
    """The step at which a run is looked at; None in runs that are too short to tell."""
    at = math.ceil(steps / 3)
    return at if at >= _FEWEST else None


def warn_at_chance(title: str, step: int, accuracy: float, level: float, images: int) -> None:
    """A line, where an accuracy over so many images is no better than chance by two deviations."""
    if this_share().rank == 0 and accuracy <= level + 2 * math.sqrt(level * (1 - level) / images):
        say(
            f"{title}: step {step}: an accuracy of {accuracy:.3f} is no better than chance ({level:.3f}); "
            "training goes on, but look at learning_rate and labels"
        )


class TrainingChance(pl.Callback):
    """Looks at the accuracy on the batches before the third's end.

    Args:
        title: what is trained.
        steps: of the whole run.
        level: of chance.
    """

    def __init__(self, title: str, steps: int, level: float) -> None:
        self.title, self.level, self.at = title, level, third(steps)
        self._sum: Tensor | None = None  # stays on the device until it is looked at
        self._batches = self._images = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add up; say it where it is time."""
        step = trainer.global_step
        if self.at is None or not 2 * self.at // 3 < step <= self.at:
            return
        accuracy = outputs["accuracy"]
        self._sum = accuracy if self._sum is None else self._sum + accuracy
        self._batches, self._images = self._batches + 1, self._images + len(batch[1])
        if step == self.at:
            warn_at_chance(self.title, step, float(self._sum) / self._batches, self.level, self._images)
