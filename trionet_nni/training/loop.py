"""The resumable training loop: any Lightning module, steps as the only measure, one checkpoint file."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytorch_lightning as pl
from lightning_fabric.utilities.warnings import PossibleUserWarning
from pytorch_lightning.loggers import Logger
from rich.console import Console
from torch.utils.data import DataLoader

from trionet_nni.errors import InputError
from trionet_nni.training.checkpoints import (
    NAME,
    AtomicCheckpointIO,
    StepCheckpoint,
    newest_checkpoint,
    read_checkpoint,
)
from trionet_nni.training.devices import devices
from trionet_nni.training.divergence import Divergence, RolledBack, rolling_back
from trionet_nni.training.loggers import log_settings
from trionet_nni.training.progress import ProgressCallback
from trionet_nni.training.ranks import first_alone
from trionet_nni.training.restoring import Started, restoring

_KNOWN: tuple[tuple[type[Warning], str, str], ...] = (  # warnings in every fit: category, beginning, module
    # Advice: batches are made without workers, and resumed, on purpose.
    (PossibleUserWarning, "", "pytorch_lightning"),
    (FutureWarning, r"`isinstance\(treespec, LeafSpec\)` is deprecated", "pytorch_lightning"),  # by torch
    # DistributedDataParallel, of 1 × 1 convolutions' gradients, which are channels-last: it copies them.
    (UserWarning, "Grad strides do not match bucket view strides", "torch"),
)


class Loader(Protocol):
    """Batches of the steps start … stop − 1; `len()` is `stop`."""

    def __call__(self, start: int, stop: int) -> DataLoader[Any]:
        """A loader that begins with step `start`; step `stop` is the first that it leaves out."""


@dataclass(frozen=True)
class Run:
    """How a run is kept and shown.

    Attributes:
        directory: gets `last.ckpt`, `previous.ckpt` and TensorBoard's `curves/`.
        total: steps of the whole run.
        mark: what is trained on what; a checkpoint with another mark is refused.
        title: what the progress bar says.
        progress: whether there is one.
        checkpoint_minutes: time between checkpoints.
        stop_after_steps: end after so many steps of the whole run, as if interrupted there.
        precision: as Lightning names it.
        logger: where its curves go; none where None. See `loggers.curves_logger`.
        settings: what the logger writes down beside the curves.
        all_used: whether every step gives each parameter a gradient; told to DistributedDataParallel.
    """

    directory: Path
    total: int
    mark: str
    title: str = "training"
    progress: bool = True
    checkpoint_minutes: float = 2
    stop_after_steps: int | None = None
    precision: Any = "32-true"
    logger: Logger | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    all_used: bool = True


def run_steps(
    run: Run, module: pl.LightningModule, loader: Loader, callbacks: Sequence[pl.Callback] = ()
) -> dict[str, Any]:
    """Train to the run's last step, going on from its checkpoint where there is one.

    Where torchrun started several processes, each calls this with its share of the batches, and the mean of
    their gradients is taken (DistributedDataParallel); the first writes checkpoints and curves.

    The module writes `run.mark` into its checkpoints as "fingerprint".

    Returns:
        {"steps", "of", "resumed_from", "seconds", "complete"}: steps done and of the whole run, the step
        it went on from, seconds of training in all, whether the run is at its end. Of a run that diverged
        also "rolled_back": {"at", "to"}, the steps where it did and that it went back to.

    Raises:
        InputError: the checkpoint is damaged or another run's.
        RunFailed: it diverged twice.
    """
    # Only a run without a checkpoint goes back to what it was given, which training overwrites.
    begun = (run.directory / NAME).exists()
    initial = {} if begun else {name: value.clone() for name, value in module.state_dict().items()}

    def attempt(back: RolledBack | None) -> dict[str, Any]:
        if back is not None and initial:
            module.load_state_dict(initial)
        return _run_steps(run, module, loader, callbacks, back)

    return rolling_back(run.directory, run.title, attempt)


def _run_steps(
    run: Run,
    module: pl.LightningModule,
    loader: Loader,
    callbacks: Sequence[pl.Callback],
    back: RolledBack | None,
) -> dict[str, Any]:
    path = run.directory / NAME
    with first_alone():  # a damaged checkpoint gives way to the one before it
        start = _resume_step(run, path)
    if start is not None and start >= min(run.total, run.stop_after_steps or run.total):
        finished = _finished(module, path, start, run.total)
        _say_resumed(run, path, start)
        return finished
    checkpoint, start = None if start is None else path, start or 0
    divergence = Divergence(run.directory, back)
    keeper = StepCheckpoint(run.directory, run.checkpoint_minutes, run.stop_after_steps, divergence.check)
    bar = [ProgressCallback(run.title, run.total, start)] if run.progress else []
    with quiet():
        started = Started(partial(_say_resumed, run, path, start))
        trainer = _trainer(run, [divergence, *callbacks, keeper, *bar, started])
        if run.logger is not None:
            log_settings(run.logger, run.settings)
        with restoring(checkpoint, lambda: started.yes):
            _fit(trainer, module, loader(start, run.total), checkpoint)
    return _result(trainer.global_step, run.total, start, keeper.seconds) | divergence.state_dict()


def _fit(
    trainer: pl.Trainer,
    module: pl.LightningModule,
    loader: DataLoader[Any],
    checkpoint: Path | None,
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


def _trainer(run: Run, callbacks: list[pl.Callback]) -> pl.Trainer:
    return pl.Trainer(
        max_steps=run.total,
        max_epochs=1,  # of the loader, which is the whole run
        accelerator="auto",
        **devices(find_unused_parameters=not run.all_used),
        precision=run.precision,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
        logger=run.logger or False,
        log_every_n_steps=max(1, min(50, run.total // 20)),
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _resume_step(run: Run, path: Path) -> int | None:
    """Step of the checkpoint, 0 where the run went back to its start; None where there is none."""
    checkpoint = newest_checkpoint(path, run.title)
    if checkpoint is None:
        return None
    if checkpoint.get("fingerprint") != run.mark:
        raise InputError(
            f"{path}: found a checkpoint of another network, recipe or data, allowed: one of this run; "
            "delete it to start over"
        )
    return int(checkpoint["global_step"])


def _say_resumed(run: Run, path: Path, step: int) -> None:
    if run.progress and step:
        message = f"{run.title}: resuming from step {step} of {run.total} ({path})"
        Console(stderr=True).print(message, soft_wrap=True)


def _finished(module: pl.LightningModule, path: Path, step: int, total: int) -> dict[str, Any]:
    """A run that had reached its end, or the step it was to end after: only load what it gave."""
    checkpoint = read_checkpoint(path)
    with restoring(path):
        module.load_state_dict(checkpoint["state_dict"])
        states = {
            name: value for state in checkpoint["callbacks"].values() for name, value in state.items()
        }
        back = {"rolled_back": states["rolled_back"]} if "rolled_back" in states else {}
        return _result(step, total, step, float(states["seconds"])) | back


def _result(steps: int, total: int, start: int, seconds: float) -> dict[str, Any]:
    return {
        "steps": steps,
        "of": total,
        "resumed_from": start,
        "seconds": round(seconds, 3),
        "complete": steps >= total,
    }


@contextmanager
def quiet() -> Iterator[None]:
    """Keep away what Lightning logs, and the warnings of `_KNOWN`; all others are the user's to see."""
    logs = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for category, message, module in _KNOWN:
                warnings.filterwarnings("ignore", message, category, module=module)
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)
