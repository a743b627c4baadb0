"""Checkpoints of a run on Lightning's Trainer: whole or absent, sealed, loaded without running code.

`last.ckpt` is the newest one, `previous.ckpt` the one before it. At every moment from the first checkpoint
on at least one of the two is whole.
"""

from __future__ import annotations

import errno
import io
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning.callbacks import Checkpoint

from trionet_nni.errors import InputError, say
from trionet_nni.files.atomic import write_bytes
from trionet_nni.files.sealed import Damaged, is_sealed, seal, unseal

NAME = "last.ckpt"
PREVIOUS = "previous.ckpt"
_ASKED_EVERY = 10  # steps, where several processes train together


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's files, but sealed, written to a temporary name first, read with `weights_only=True`."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint that is there as a whole or not at all; the one before it is kept.

        Raises:
            OSError: it could not be written; what was there is there as before.
        """
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        # Released at once: in a loop with a traceback it crashes the garbage collector of Python 3.12.1.
        with buffer.getbuffer() as content:
            write_bytes(path, [content, seal(content)], keep=Path(path).with_name(PREVIOUS))

    def load_checkpoint(self, path: str | Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Read a checkpoint onto the CPU."""
        return read_checkpoint(Path(path))


def newest_checkpoint(path: Path, title: str) -> dict[str, Any] | None:
    """The checkpoint to go on from, None where there is none.

    Where the newest is damaged, the one before it takes its place, and a line on standard error says so.
    Runs that keep one before the newest seal what they write: their newest without a seal is damaged too.

    Args:
        path: of the newest one.
        title: what is trained, for that line.

    Raises:
        InputError: it is damaged and so is the one before it, or there is none; it is another file.
    """
    previous = path.with_name(PREVIOUS)
    if not path.exists():  # deleted to start over
        return None
    found = _damage(path) if previous.exists() else None
    if found is None:
        return read_checkpoint(path)
    try:
        checkpoint = _checked(previous, _loaded(previous))
    except InputError:
        raise _unreadable(path, f"{found}; {PREVIOUS} is damaged too") from None
    previous.replace(path)
    step = checkpoint["global_step"]
    goes_on = f"going on from the one before it, step {step}"
    say(f"{title}: {path}: found a damaged checkpoint ({found}); {goes_on}")
    return checkpoint


def _damage(path: Path) -> str | None:
    """What is wrong with the bytes of a file that was written sealed, or None."""
    try:
        data = path.read_bytes()
        unseal(data)
    except Damaged as error:
        return str(error)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return "the disk cannot read it"
    if is_sealed(data):
        return None
    return "it is cut off or overwritten at its end" if data else "it is empty"


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, tensors and plain values only.

    Raises:
        InputError: it is damaged, or holds something else.
    """
    return _checked(path, _loaded(path))


def _loaded(path: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other programs' files
            content = io.BytesIO(unseal(path.read_bytes()))
            return torch.load(content, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling damaged bytes raises almost anything
        raise _unreadable(path, " ".join(str(error).split())[:100]) from None


def _unreadable(path: Path, reason: str) -> InputError:
    allowed = "one of this run; delete it to start over"
    return InputError(f"{path}: found no readable checkpoint ({reason}), allowed: {allowed}")


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
        check: called before each checkpoint; what it raises keeps it from being written.
    """

    def __init__(
        self,
        directory: Path,
        minutes: float,
        stop_after: int | None = None,
        check: Callable[[pl.Trainer, pl.LightningModule], None] = lambda trainer, module: None,
    ) -> None:
        self.path, self.minutes, self.stop_after = directory / NAME, minutes, stop_after
        self.check = check
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
        """Time counts from here: all has been loaded."""
        self._begin = self._saved = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save when it is time; stop where asked to."""
        step = trainer.global_step
        stops = self.stop_after is not None and step >= self.stop_after
        if self._due(trainer) or stops or step == trainer.max_steps:
            self.check(trainer, pl_module)
            trainer.save_checkpoint(self.path)
            self._saved = time.monotonic()
        if stops:
            trainer.should_stop = True

    def _due(self, trainer: pl.Trainer) -> bool:
        due = time.monotonic() - self._saved >= 60 * self.minutes
        if trainer.world_size == 1:
            return due
        # All write or none; their clocks differ, and to ask costs a round trip.
        return trainer.global_step % _ASKED_EVERY == 0 and trainer.strategy.reduce_boolean_decision(
            due, all=False
        )
