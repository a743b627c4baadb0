"""Training finalists here and now, one after the other, resumably."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.worth.case import Case
from benchmarks.worth.supernet import pipeline_splits
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.files.atomic import write_json
from trionet_nni.finalists.halving import Rung, Training
from trionet_nni.settings.project import ProjectConfig


def outcome(ended: Sequence[tuple[Architecture, Rung, float]]) -> dict[str, Any]:
    """What a unit keeps of its finalists, the winner first."""
    return {
        "network": ended[0][0].to_dict(),
        "order": [
            {"operators": network.operators, "trainings": rung.number, "loss": round(loss, 4)}
            for network, rung, loss in ended
        ],
    }


class FinalistTrainer:
    """Trains a network from scratch on a rung; losses of before an interruption are read from a file.

    Args:
        config: the experiment's, of whose `retrain` the recipe is.
        folder: of the unit; checkpoints lie in a folder of the network's hash.
    """

    def __init__(self, case: Case, config: ProjectConfig, folder: Path) -> None:
        self.config, self.folder = config, folder
        self.splits = pipeline_splits(case)
        self.file = folder / "losses.json"
        self.losses: dict[str, float] = json.loads(self.file.read_text()) if self.file.exists() else {}

    def __call__(self, network: Architecture, rung: Rung) -> float:
        """Its loss on the search images of the rung."""
        from trionet_nni.finalists.train import train_finalist

        name = f"{network.hash} {rung.number}"
        if name not in self.losses:
            config, directory = self.config, self.folder / network.hash / str(rung.number)
            one = Training(network, rung)
            found = train_finalist(one, config.retrain, config.data, self.splits, directory)
            self.losses[name] = found.loss
            write_json(self.file, self.losses)
        return self.losses[name]
