"""What `trionet pareto` says: the networks of an experiment that no other one beats."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from trionet_nni.errors import InputError
from trionet_nni.export import experiment_folder
from trionet_nni.nnictl.folder import ExperimentFolder
from trionet_nni.results import Evaluation, ResultsStore


def pareto(experiment: str) -> list[Evaluation]:
    """Evaluations that no other one beats in accuracy and FLOPs together, cheapest first.

    Args:
        experiment: NNI's id, or the experiment's folder; it may still run.

    Raises:
        InputError: there is no such experiment, or it has no result yet.
    """
    folder = ExperimentFolder(experiment_folder(experiment).resolve()).evaluations
    front = ResultsStore(folder).pareto()
    if not front:
        raise InputError(f"{folder}: found no evaluation, allowed: a search with results")
    return front


def print_pareto(front: list[Evaluation]) -> None:
    """The front as a table for a terminal."""
    table = Table(title="Accuracy against cost: networks that no other one beats")
    for name in ("GFLOPs", "M params", "accuracy", "operators", "hash"):
        table.add_column(name, justify="left" if name in ("operators", "hash") else "right")
    for result in front:
        table.add_row(
            f"{result.flops / 1e9:.4f}",
            f"{result.params / 1e6:.3f}",
            f"{result.accuracy:.4f}",
            result.architecture.operators,
            result.architecture.hash[:8],
        )
    console = Console()
    console.print(table)
    console.print(f"Accuracy: with the supernet's weights, on {front[0].images:,} held-out search images.")
