"""How far a run is, on the terminal: a moving bar with loss and time left, or plain lines in a log."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_LINES = 20  # lines of a whole run where nothing can move


class ProgressCallback(pl.Callback):
    """Shows step, loss and time left on stderr.

    Args:
        title: what is being trained.
        total: steps of the whole run.
        start: steps done before.
    """

    def __init__(self, title: str, total: int, start: int) -> None:
        self.title, self.total, self.start = title, total, start
        self.console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TimeRemainingColumn(),
            console=self.console,
        )
        self._task = self._bar.add_task(title, total=total, completed=start, loss="")
        self._begin = time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the bar in a terminal; elsewhere a line is printed now and then."""
        self._begin = time.monotonic()
        if self.console.is_terminal:
            self._bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move on by one step."""
        step = trainer.global_step
        every = max(1, self.total // _LINES)
        if self.console.is_terminal:
            if step % max(1, every // 5) == 0:
                self._bar.update(self._task, loss=f"loss {float(outputs['loss']):.3f}")
            self._bar.update(self._task, completed=step)
        elif step % every == 0 or step == self.total:
            self.console.print(self._line(step, float(outputs["loss"])), highlight=False)

    def _line(self, step: int, loss: float) -> str:
        left = (time.monotonic() - self._begin) / max(1, step - self.start) * (self.total - step)
        minutes, seconds = divmod(round(left), 60)
        return f"{self.title}: step {step}/{self.total}, loss {loss:.3f}, {minutes}:{seconds:02} left"

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Leave the bar as it stands."""
        if self.console.is_terminal:
            self._bar.stop()
