"""Small real supernets for the tests: digits, two stages, a few steps."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from strategies.one_shot import SupernetTask, train_supernet
from trionet_nni.settings.project import ProjectConfig

STEPS = 8


def project(steps: int = STEPS, **supernet: Any) -> ProjectConfig:
    """An experiment of a few steps on a few hundred digits."""
    recipe = {
        "epochs": steps / 10,
        "batch_size": 16,
        "learning_rate": 0.05,
        "warmup_epochs": 0.1,
        "weight_decay": 1e-3,
        "dropout": 0.1,
        "augment": "shift",
    }
    return ProjectConfig.model_validate(
        {
            "space": "spaces.tiny",
            "data": {"train_images": 160, "search_images": 40, "recalibration_images": 40},
            "supernet": {"recipe": recipe, "curve_points": 1, "checkpoint_minutes": 0, **supernet},
            "search": {"max_flops": 2e7},
        }
    )


def hold_before(step: int) -> None:
    """Have every training of this process wait before this step, for ever."""
    usual = SupernetTask.loss

    def loss(self: SupernetTask, batch: Any) -> Any:
        while self.trainer.global_step >= step:
            time.sleep(1)
        return usual(self, batch)

    SupernetTask.loss = loss  # type: ignore[method-assign]


def main() -> None:
    """Train in a folder, so many steps: what the kill-and-resume test starts as a process of its own."""
    directory, cache, steps, way = sys.argv[1:]
    if way == "hold":
        hold_before(int(steps) - 1)
    train_supernet(project(int(steps)), Path(directory), lambda _: None, cache=Path(cache))


if __name__ == "__main__":
    main()
