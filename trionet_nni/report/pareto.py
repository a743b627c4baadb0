"""What `trionet pareto` says: the networks of an experiment that no other one beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from trionet_nni.architecture.budget import budget_name
from trionet_nni.errors import InputError
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.experiment.open import find_run, open_run
from trionet_nni.export.best import ExportedRow, costs_row, measured_on, scores_header, scores_row
from trionet_nni.settings.before import BEFORE
from trionet_nni.supernet.results import Evaluation, ResultsStore


@dataclass(frozen=True)
class FrontRow:
    """A network that no other one beats in the search's metric and FLOPs together.

    Attributes:
        budget: the smallest budget that it lies within, FLOPs; None where the search had only one.
        best_of: the budgets whose best network it is; empty where the search had only one.
    """

    evaluation: Evaluation
    budget: float | None = None
    best_of: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The stored evaluation; with several budgets, also which it lies within and which it wins."""
        stored = self.evaluation.to_dict()
        return stored if self.budget is None else {**stored, "budget": self.budget, "best_of": self.best_of}


def pareto(experiment: str | Path) -> list[FrontRow]:
    """Evaluations that no other one beats in the search's metric and FLOPs together, cheapest first.

    Args:
        experiment: NNI's id, or the experiment's folder; it may still run.

    Raises:
        InputError: there is no such experiment, or it has no result yet.
    """
    files = find_run(experiment)
    front = _results(files).pareto()
    if not front:
        raise InputError(f"{files.evaluations}: found no evaluation, allowed: a search with results")
    return front_rows(front, _limits(files))


def front_rows(front: Sequence[Evaluation], limits: Sequence[float]) -> list[FrontRow]:
    """Mark each budget's winner.

    On a front the score grows with FLOPs, so a budget's winner is the dearest network within it.

    Args:
        front: cheapest first.
        limits: the budgets of the search, ascending; with one, or none known, there is nothing to mark.
    """
    if len(limits) < 2:
        return [FrontRow(result) for result in front]
    within = {limit: [result for result in front if result.flops <= limit] for limit in limits}
    return [
        FrontRow(
            result,
            next((limit for limit in limits if result.flops <= limit), None),
            tuple(limit for limit in limits if within[limit] and within[limit][-1] is result),
        )
        for result in front
    ]


def _results(files: ExperimentFolder) -> ResultsStore:
    """Ranked by the experiment's metric; where its settings are missing, by the one there was at first."""
    if files.project.exists():
        return open_run(files).results
    return ResultsStore(files.evaluations, BEFORE["search"]["metric"])


def _limits(files: ExperimentFolder) -> tuple[float, ...]:
    return open_run(files).config.search.limits if files.project.exists() else ()


def print_pareto(front: list[FrontRow]) -> None:
    """The front as a table for a terminal."""
    table = _table(front, ("operators", "hash"))
    for row in front:
        network = row.evaluation.architecture
        table.add_row(*_budgets(row), *_numbers(row), network.operators, network.hash[:8])
    console = Console()
    console.print(table)
    images = front[0].evaluation.images
    console.print(measured_on(images))


def print_common_front(experiment: str | Path, rows: Sequence[ExportedRow]) -> None:
    """What an export under several budgets adds: the front of all of them, and where its networks lie.

    With one budget there is nothing to add, and nothing is printed.

    Args:
        rows: what was exported.

    Raises:
        InputError: there is no such experiment, or it has no result.
    """
    files = find_run(experiment)
    limits = _limits(files)
    if len(limits) < 2:
        return
    front = front_rows(_results(files).pareto(), limits)
    folders = {row.evaluation.architecture.hash: str(row.folder) for row in reversed(rows)}
    table = _table(front, ("folder",))
    for row in front:
        table.add_row(*_budgets(row), *_numbers(row), folders.get(row.evaluation.architecture.hash, ""))
    console = Console()
    console.print(table)
    served = {limit for row in front for limit in row.best_of}
    for limit in limits:
        if limit not in served:
            console.print(f"No result within {budget_name(limit)} yet.")


def _table(front: Sequence[FrontRow], last: Sequence[str]) -> Table:
    title = "Quality against cost: networks that no other one beats"
    table = Table(title=title, box=box.SIMPLE_HEAD)
    marks = ("budget", "best of") if _several(front) else ()
    scores = scores_header(row.evaluation for row in front)
    for name in (*marks, "MFLOPs", "params", *scores, *last):
        table.add_column(name, justify="left" if name in ("best of", *last) else "right")
    return table


def _several(front: Sequence[FrontRow]) -> bool:
    return any(row.budget is not None for row in front)


def _budgets(row: FrontRow) -> tuple[str, ...]:
    if row.budget is None:
        return ()
    return budget_name(row.budget), ", ".join(map(budget_name, row.best_of))


def _numbers(row: FrontRow) -> tuple[str, ...]:
    result = row.evaluation
    return *costs_row(result), *scores_row(result)
