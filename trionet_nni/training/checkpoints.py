"""Checkpoints of a run on Lightning's Trainer: whole or absent, loaded without running code."""

from __future__ import annotations

import io
import time
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning.callbacks import Checkpoint

from trionet_nni.atomic import replacing
from trionet_nni.errors import InputError

NAME = "last.ckpt"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's files, but written to a temporary name first, and read with `weights_only=True`."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint that is there as a whole or not at all."""
        with replacing(path) as temporary:
            torch.save(checkpoint, temporary)

    def load_checkpoint(self, path: str | Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Read a checkpoint onto the CPU."""
        return read_checkpoint(Path(path))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, tensors and plain values only.

    Raises:
        InputError: it is damaged, or holds something else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other programs' files
            found = torch.load(io.BytesIO(path.read_bytes()), map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling damaged bytes raises almost anything
        reason = " ".join(str(error).split())[:100]
        raise InputError(
            f"{path}: found no readable checkpoint ({reason}), allowed: one of this run; "
            "delete it to start over"
        ) from None
    return _checked(path, found)


def _checked(path: Path, found: object) -> dict[str, Any]:
    """What every run reads of its checkpoint before Lightning does."""
    checkpoint = found if isinstance(found, dict) else {}
    step = checkpoint.get("global_step")
    parts = all(isinstance(checkpoint.get(part), dict) for part in ("state_dict", "callbacks"))
    optimizers = checkpoint.get("optimizer_states")  # without one Lightning would go on with no momentum
    if type(step) is not int or step < 0 or not parts or not optimizers:
        raise InputError(
            f"{path}: found another file, allowed: a checkpoint of this run; delete it to start over"
        )
    return checkpoint


class StepCheckpoint(Checkpoint):
    """Keeps `directory/last.ckpt`: every so many minutes, and at the end.

    Only between two steps, where weights, BN statistics, momentum and step number belong together.

    Args:
        minutes: time between checkpoints; 0 writes one after every step.
        stop_after: end training after this step (counted from the start of the whole run).
    """

    def __init__(self, directory: Path, minutes: float, stop_after: int | None = None) -> None:
        self.path, self.minutes, self.stop_after = directory / NAME, minutes, stop_after
        self.earlier = 0.0  # seconds of training before the last resume
        self._begin = self._saved = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of training in all, interruptions left out."""
        return self.earlier + time.monotonic() - self._begin

    def state_dict(self) -> dict[str, Any]:
        """Time spent, which a resumed run goes on counting."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the time spent."""
        self.earlier = float(state_dict["seconds"])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._begin = self._saved = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save when it is time; stop where asked to."""
        step = trainer.global_step
        stops = self.stop_after is not None and step >= self.stop_after
        due = time.monotonic() - self._saved >= 60 * self.minutes
        if due or stops or step == trainer.max_steps:
            trainer.save_checkpoint(self.path)
            self._saved = time.monotonic()
        if stops:
            trainer.should_stop = True
