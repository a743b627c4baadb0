"""A loss that is no number: seen at its step, and gone back from once with a tenth of the learning rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytorch_lightning as pl
import torch
from torch import Tensor

from trionet_nni.errors import RunFailed, say
from trionet_nni.training.checkpoints import NAME, newest_checkpoint
from trionet_nni.training.share import this_share

FACTOR = 0.1
_EVERY = 50  # steps between two looks at what a GPU has seen
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class RolledBack:
    """A run went back, and goes on with `FACTOR` of its learning rate from then on.

    Attributes:
        at: step whose loss was no number.
        to: step of the checkpoint it went back to; 0 is the start.
    """

    at: int
    to: int


class Diverged(Exception):
    """A step gave no number.

    Args:
        what: "loss" or "weights".
        before: of a run that has gone back before.
    """

    def __init__(self, step: int, what: str, before: RolledBack | None) -> None:
        super().__init__(f"step {step}: the {what}")
        self.step, self.what, self.before = step, what, before


class Divergence(pl.Callback):
    """Looks at every loss, and at the weights of every checkpoint before it is written.

    A loss on a GPU is not read at every step: that would have the CPU wait for the step to end instead of
    preparing the next ones. The number of the first bad step is kept on the device, in three kernels of one
    element each, and read now and then; whatever was computed after it is gone back from anyway. Reading a
    loss on the CPU costs nothing.

    Args:
        directory: of the run.
        back: what this attempt has gone back from; it begins with less of the learning rate then.

    Attributes:
        rolled_back: `back`, or that of an earlier process of this run, or None.
    """

    def __init__(self, directory: Path, back: RolledBack | None = None) -> None:
        self.path, self.rolled_back = directory / NAME, back
        self._begins = back is not None
        self._first: Tensor | None = None  # number of the first bad step, 0 while there is none

    def state_dict(self) -> dict[str, Any]:
        """That the run has gone back; nothing otherwise, and so no other checkpoint than without this."""
        return {} if self.rolled_back is None else {"rolled_back": asdict(self.rolled_back)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over that the run has gone back."""
        self.rolled_back = RolledBack(**state_dict["rolled_back"])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Lower the learning rate, and keep that: optimizer and schedule are part of a checkpoint."""
        if self._begins:
            self._begins = False
            _lower(trainer)
            trainer.save_checkpoint(self.path)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note a loss that is no number; see above for when it is looked at."""
        loss, step = outputs["loss"].detach(), trainer.global_step
        before = (
            torch.zeros((), dtype=torch.int64, device=loss.device) if self._first is None else self._first
        )
        self._first = torch.where((before == 0) & ~torch.isfinite(loss), step, before)
        if loss.device.type == "cpu" or step % _EVERY == 0:
            self._look()

    def check(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Before a checkpoint is written: what is not finite must not become the one to go back to.

        Raises:
            Diverged: the loss of a step, or a weight after this one, is no number.
        """
        self._look()
        tensors = [*pl_module.state_dict().values(), *_optimizer_tensors(trainer)]
        checks = [torch.isfinite(tensor).all() for tensor in tensors if tensor.is_floating_point()]
        # A loss may be finite and its gradient not: the next loss would tell, after the checkpoint.
        if not all(torch.stack([check.to(checks[0].device) for check in checks]).tolist()):
            raise Diverged(trainer.global_step, "weights", self.rolled_back)

    def _look(self) -> None:
        step = 0 if self._first is None else int(self._first)
        if step:
            raise Diverged(step, "loss", self.rolled_back)


def rolling_back(directory: Path, title: str, attempt: Callable[[RolledBack | None], _Result]) -> _Result:
    """Make an attempt at a run; where it diverges, make another one from its last checkpoint.

    Args:
        title: what is trained.
        attempt: trains, with a `Divergence` that is given its argument.

    Raises:
        RunFailed: it diverged once more, in this process or a later one.
    """
    path, back = directory / NAME, None
    while True:
        try:
            return attempt(back)
        except Diverged as error:
            checkpoint = newest_checkpoint(path, title)
            to = int(checkpoint["global_step"]) if checkpoint else 0
            found = f"{title}: step {error.step}: the {error.what} became NaN or infinite"
            if error.before is not None:
                raise RunFailed(_again(found, path, to, error.before)) from None
            back = RolledBack(error.step, to)
        where = f"step {back.to} ({path})" if back.to else "the start"
        if this_share().rank == 0:
            say(f"{found}; going back to {where} with a tenth of the learning rate")


def _again(found: str, path: Path, to: int, before: RolledBack) -> str:
    return (
        f"{found} again, with a tenth of the learning rate since it did at step {before.at}; {path} holds "
        f"step {to}: delete it and start over with a lower learning_rate"
    )


def _lower(trainer: pl.Trainer) -> None:
    """As if the recipe had asked for `FACTOR` of the rate, to the last bit."""
    for config in trainer.lr_scheduler_configs:
        schedule: Any = config.scheduler
        schedule.base_lrs = [rate * FACTOR for rate in schedule.base_lrs]
        parts = zip(schedule.optimizer.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True)
        for group, rate, share in parts:
            group["initial_lr"], group["lr"] = rate, rate * share(schedule.last_epoch)


def _optimizer_tensors(trainer: pl.Trainer) -> Iterator[Tensor]:
    for optimizer in trainer.optimizers:
        for state in optimizer.state.values():
            yield from (value for value in state.values() if isinstance(value, Tensor))
