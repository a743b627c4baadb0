"""A process that retrains a network together with others, and is killed on the way."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from torch import Tensor

from trionet_nni.export.retrain import retrain
from trionet_nni.training.classification import Classification
from trionet_nni.training.share import this_share


def killed_once(folder: Path, rank: int, step: int, stop_after_steps: int | None = None) -> dict[str, Any]:
    """Retrain; the process `rank` kills itself before `step`, the first time that it comes there."""
    usual, mark = Classification.training_step, folder / "killed"

    def watched(self: Classification, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Tensor]:
        if (this_share().rank, self.trainer.global_step) == (rank, step) and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return usual(self, batch, batch_idx)

    Classification.training_step = watched  # type: ignore[method-assign]
    return retrain(folder, progress=False, stop_after_steps=stop_after_steps)


def diverging(folder: Path, rank: int, step: int) -> dict[str, Any]:
    """Retrain; of the process `rank` alone every loss from a step on is no number."""
    usual = Classification.forward

    def watched(self: Classification, x: Tensor) -> Tensor:
        bad = this_share().rank == rank and self.trainer.global_step >= step
        return usual(self, x) * (float("nan") if bad else 1.0)

    Classification.forward = watched  # type: ignore[method-assign]
    return retrain(folder, progress=False)
