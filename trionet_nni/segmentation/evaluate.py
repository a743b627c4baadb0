"""Measuring a task on its validation pictures, with some of them as pictures for the logger."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger
from rich.console import Console
from rich.progress import track
from torch import Tensor

from trionet_nni.segmentation.shared.task import SegmentationTask, Writer
from trionet_nni.training.loggers import log_picture

_SHOWN = 4  # pictures for the logger: as it is, truth, prediction


def evaluate(
    task: SegmentationTask[Any],
    *,
    pictures: int | None = None,
    board: Logger | None = None,
    step: int = 0,
    writer: Writer[Any] | None = None,
    progress: bool = False,
) -> dict[str, float]:
    """The task's metrics, in percent. The model runs in evaluation mode; modes are as before afterwards.

    Args:
        pictures: so many of the validation pictures; all when None.
        board: gets metrics and, where it shows such, the first few pictures.
        step: of the training, for the board.
        writer: gets every prediction.
    """
    count = min(pictures or task.validation_pictures, task.validation_pictures)
    modes = {module: module.training for module in task.model.modules()}
    task.model.eval()
    try:
        indices = track(
            range(count), "evaluation", console=Console(stderr=True), disable=not progress, transient=True
        )
        for index in indices:
            name, pixels = task.validation_picture(index)
            prediction = task.predict(pixels)
            task.update(index, prediction)
            if writer is not None:
                writer.add(name, pixels, prediction)
            if board is not None and index < _SHOWN:
                strip = comparison(task, pixels, task.truth(index), prediction)
                log_picture(board, f"picture, truth, prediction/{name}", strip, step)
        metrics = task.compute()
        if writer is not None:
            writer.close()
    finally:
        for module, mode in modes.items():
            module.training = mode
    if board is not None:
        board.log_metrics({f"validation/{name}": value for name, value in metrics.items()}, step)
        board.save()
    return metrics


def comparison(task: SegmentationTask[Any], pixels: Tensor, truth: Any, prediction: Any) -> Tensor:
    """Picture, truth and prediction side by side, uint8 [3, H, 3 W]."""
    return torch.cat((pixels, task.overlay(pixels, truth), task.overlay(pixels, prediction)), 2)


class EvaluationCallback(pl.Callback):
    """Evaluates every so many steps; the last step is left to the caller.

    Args:
        every: steps between evaluations.
        pictures: of each evaluation; all when None.
        progress: whether the metric that counts is printed.
    """

    def __init__(
        self, task: SegmentationTask[Any], every: int, pictures: int | None, progress: bool
    ) -> None:
        self.task, self.every, self.pictures, self.progress = task, every, pictures, progress

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Evaluate when it is time."""
        step = trainer.global_step
        if step % self.every or step == trainer.max_steps or not trainer.is_global_zero:
            return  # other processes wait at their next step
        metrics = evaluate(self.task, pictures=self.pictures, board=trainer.logger, step=step)
        if self.progress:
            text = f"step {step}: {self.task.score} {metrics[self.task.score]:.2f} %"
            Console(stderr=True).print(text, highlight=False)
