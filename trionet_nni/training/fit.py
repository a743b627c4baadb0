"""Training one network by a recipe, resumable at any step with the same result bit for bit (on a CPU)."""

from __future__ import annotations

import hashlib
import json
import logging
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import TensorBoardLogger
from rich.console import Console
from torch import nn
from torch.utils.data import DataLoader

from trionet_nni.config import RecipeConfig
from trionet_nni.data.images import ImageSet
from trionet_nni.errors import InputError
from trionet_nni.tasks.classification import Classification
from trionet_nni.training.batches import Batch, StepBatches, step_loader
from trionet_nni.training.checkpoints import NAME, AtomicCheckpointIO, StepCheckpoint, read_checkpoint
from trionet_nni.training.progress import ProgressCallback
from trionet_nni.training.recipe import precision, total_steps


def fit(
    network: nn.Module,
    recipe: RecipeConfig,
    train: ImageSet,
    directory: Path,
    *,
    classes: int | None = None,
    title: str = "training",
    progress: bool = True,
    checkpoint_minutes: float = 2,
    workers: int | None = None,
    stop_after_steps: int | None = None,
) -> dict[str, Any]:
    """Train `network` in place, going on from `directory/last.ckpt` where there is one.

    Args:
        directory: gets `last.ckpt` and TensorBoard's `curves/`.
        classes: number of classes; the largest label + 1 when None.
        title: what the progress bar says.
        checkpoint_minutes: time between checkpoints.
        workers: processes that prepare batches; see `step_loader`.
        stop_after_steps: end after so many steps of the whole run, as if interrupted there.

    Returns:
        {"steps", "of", "resumed_from", "seconds", "complete"}: steps done and of the whole run, the step
        it went on from, seconds of training in all, whether the run is at its end.

    Raises:
        InputError: fewer images than a batch, or the checkpoint is another run's.
    """
    directory.mkdir(parents=True, exist_ok=True)
    batches = StepBatches(train, recipe.batch_size, recipe.augment, recipe.seed)
    total = total_steps(recipe, batches.steps_per_epoch)
    mark = fingerprint(network, recipe, train)
    start = _resume_step(directory / NAME, mark, title, total, progress)
    keeper = StepCheckpoint(directory, checkpoint_minutes, stop_after_steps)
    callbacks: list[pl.Callback] = [keeper]
    if progress:
        callbacks.append(ProgressCallback(title, total, start))
    count = int(train.labels.max()) + 1 if classes is None else classes
    module = Classification(network, recipe, count, batches.steps_per_epoch, mark)
    if start >= total:
        return _finished(module, directory / NAME, total)
    with _quiet():
        trainer = _trainer(recipe, directory, total, callbacks)
        loader = step_loader(batches, start, total, workers)
        _run(trainer, module, loader, directory / NAME if start else None)
    return _result(trainer.global_step, total, start, keeper.seconds)


def _run(
    trainer: pl.Trainer, module: Classification, loader: DataLoader[Batch], checkpoint: Path | None
) -> None:
    """Fit; an interruption by the user is passed on, where Lightning ends the process without a word."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, loader, ckpt_path=checkpoint)
    except SystemExit:
        if not trainer.interrupted:
            raise
        with suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None


def _trainer(recipe: RecipeConfig, directory: Path, steps: int, callbacks: list[pl.Callback]) -> pl.Trainer:
    return pl.Trainer(
        max_steps=steps,
        max_epochs=1,  # of the loader, which is the whole run
        accelerator="auto",
        devices=1,
        precision=precision(recipe),
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
        logger=TensorBoardLogger(directory, name="", version="curves"),
        log_every_n_steps=max(1, min(50, steps // 20)),
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def fingerprint(network: nn.Module, recipe: RecipeConfig, train: ImageSet) -> str:
    """Equal for runs of the same recipe on the same images with equally shaped networks."""
    shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    images = hashlib.sha256(train.indices.numpy().tobytes()).hexdigest()
    text = json.dumps([shapes, recipe.identity(), images, train.mean.tolist(), train.std.tolist()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _resume_step(path: Path, mark: str, title: str, total: int, progress: bool) -> int:
    if not path.exists():
        return 0
    checkpoint = read_checkpoint(path)
    if checkpoint.get("fingerprint") != mark:
        raise InputError(
            f"{path}: found a checkpoint of another network, recipe or data, allowed: one of this run; "
            "delete it to start over"
        )
    step = int(checkpoint["global_step"])
    if progress:
        message = f"{title}: resuming from step {step} of {total} ({path})"
        Console(stderr=True).print(message, soft_wrap=True)
    return step


def _finished(module: Classification, path: Path, total: int) -> dict[str, Any]:
    """A run that had reached its end: only load what it gave."""
    checkpoint = read_checkpoint(path)
    module.load_state_dict(checkpoint["state_dict"])
    seconds = next(state["seconds"] for state in checkpoint["callbacks"].values() if "seconds" in state)
    return _result(total, total, total, float(seconds))


def _result(steps: int, total: int, start: int, seconds: float) -> dict[str, Any]:
    return {
        "steps": steps,
        "of": total,
        "resumed_from": start,
        "seconds": round(seconds, 3),
        "complete": steps >= total,
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advice away: batches are made without workers and resumed on purpose."""
    logs = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)
