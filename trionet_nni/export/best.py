"""`trionet export`: the best networks of an experiment, each as a folder that stands on its own."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from trionet_nni.architecture.budget import budget_name
from trionet_nni.data import Splits, load_splits
from trionet_nni.errors import InputError
from trionet_nni.experiment.open import Run, find_run, open_run
from trionet_nni.export.card import Measured
from trionet_nni.export.finalists import ended, finalist_card, finalists_first
from trionet_nni.export.network import write_network
from trionet_nni.export.settings import retrain_config
from trionet_nni.export.turns import check_room, writing
from trionet_nni.files.turns import alone_in
from trionet_nni.finalists.results import Standing
from trionet_nni.supernet.evaluator import WEIGHTS
from trionet_nni.supernet.results import Evaluation, ranked

_BUDGET = re.compile(r"\d+(\.\d+)?[BMk]")  # names of `budget_name`


@dataclass(frozen=True)
class ExportedRow:
    """One exported network.

    Attributes:
        rank: from 1: finalists by their own result, then the others by `search.metric`.
        evaluation: in the search.
        limit: the budget it is ranked within, FLOPs; None where the search had only one.
        finalist: what it reached from scratch; None where it was no finalist.
    """

    rank: int
    folder: Path
    evaluation: Evaluation
    limit: float | None = None
    finalist: Standing | None = None

    @property
    def place(self) -> Path:
        """The folder as seen from the export's: `1`, or `4.7B/1`."""
        return _place(self.rank, self.limit)


def export(experiment: str | Path, top: int, out: Path) -> list[ExportedRow]:
    """Write the `top` best networks of an experiment to `out/1`, `out/2` …

    Finalists come first, the winner as `out/1`; the other candidates follow by the `search.metric` that
    they have with the supernet's weights.

    Of a search under several budgets, the `top` within each: `out/2B/1` … `out/4.7B/1` … A network that
    is among the best of several budgets is written for each of them.

    Each folder holds `architecture.json`, `weights.safetensors` (cut out of the supernet, BN statistics
    of the recalibration images), `retrain.yml`, `retrain.sh`, `card.md` and `card.json`.

    Args:
        experiment: NNI's experiment id, or the experiment's folder.

    Raises:
        InputError: there is no such experiment, or it has not come to a result yet.
    """
    if top < 1:
        raise InputError(f"export: --top: found {top}, allowed: 1 or more")
    run = open_run(find_run(experiment))
    weights = run.supernet / WEIGHTS
    if not weights.exists():
        raise InputError(f"{weights}: found nothing, allowed: a supernet trained to its end")
    rows = _rows(run, top, out)
    if not rows:
        raise InputError(f"{run.folder.evaluations}: found no evaluation, allowed: a search with results")
    splits = load_splits(run.config.data, run.folder.cache)
    with alone_in(out, "exports"), ExitStack() as all_of_them:
        for row in rows:
            all_of_them.enter_context(writing(row.folder))
            check_room(row.folder, row.evaluation.architecture)  # of all, before the first is written
        for row in rows:
            _write(row, run, splits)
    return rows


def _rows(run: Run, top: int, out: Path) -> list[ExportedRow]:
    results, search = run.results.all(), run.config.search
    limits = search.limits
    named: tuple[float | None, ...] = limits if len(limits) > 1 else (None,)
    return [
        ExportedRow(rank, out / _place(rank, limit), result, limit, finalist)
        for limit, finalists in zip(named, ended(run), strict=True)
        for rank, (result, finalist) in enumerate(
            finalists_first(ranked(results, search.metric, limit or math.inf), finalists)[:top], 1
        )
    ]


def _place(rank: int, limit: float | None) -> Path:
    return Path(str(rank)) if limit is None else Path(budget_name(limit), str(rank))


def _write(row: ExportedRow, run: Run, splits: Splits) -> None:
    result, config = row.evaluation, run.config
    cache = str(Path(*[".."] * len(row.place.parts), ".cache"))  # one of all networks of an export
    write_network(
        row.folder,
        result.architecture,
        config,
        retrain_config(config).model_copy(update={"cache": cache}),
        run.supernet,
        splits,
        origin={
            "experiment": run.folder.root.name,
            "rank": str(row.rank),
            **({} if row.limit is None else {"budget": f"{budget_name(row.limit)} FLOPs"}),
        },
        measured=Measured(accuracy=result.accuracy, loss=result.loss, images=result.images, split="search"),
        finalist=None if row.finalist is None else finalist_card(row.finalist, run, splits),
    )


def print_exported(rows: list[ExportedRow], out: Path) -> None:
    """The table of what was exported, and the command that comes next."""
    table = Table(title="Exported networks", box=box.SIMPLE_HEAD)  # a line for each in 80 columns
    scores = scores_header(row.evaluation for row in rows)
    scratch = any(row.finalist for row in rows)
    own = ("own loss",) if scratch else ()
    for name in ("folder", *own, *scores, "MFLOPs", "params", "operators"):
        table.add_column(
            name, justify="left" if name in ("folder", "operators") else "right", overflow="fold"
        )
    for row in rows:
        result = row.evaluation
        numbers = (*scores_row(result), *costs_row(result))
        if row.rank == 1:  # the best within the next budget
            table.add_section()
        own = _from_scratch(row.finalist) if scratch else ()
        table.add_row(str(row.folder), *own, *numbers, result.architecture.operators)
    console = Console()
    console.print(table)
    images = rows[0].evaluation.images
    console.print(measured_on(images))
    if scratch:
        text = (
            "Own loss: from scratch, the mean of as many trainings as in brackets; it ranks the finalists."
        )
        console.print(text, highlight=False)
    left = leftover(rows, out)
    if left:
        names = " ".join(map(str, left))
        console.print(f"Of an earlier export, left as they were: {names}", soft_wrap=True)
    for number, row in enumerate(row for row in rows if row.rank == 1):
        script = out / row.place / "retrain.sh"
        console.print(f"{'      ' if number else 'Next: '}bash {script}", soft_wrap=True, highlight=False)


def _from_scratch(found: Standing | None) -> tuple[str]:
    return ("",) if found is None else (f"{found.loss:.4f} ({len(found.results)})",)


def scores_header(results: Iterable[Evaluation]) -> tuple[str, ...]:
    """Columns of a table of results: the loss where it was measured, and the accuracy."""
    return ("loss", "accuracy") if all(result.loss is not None for result in results) else ("accuracy",)


def scores_row(result: Evaluation) -> tuple[str, ...]:
    """What stands in these columns."""
    accuracy = f"{result.accuracy:.4f}"
    return (accuracy,) if result.loss is None else (f"{result.loss:.4f}", accuracy)


def costs_row(result: Evaluation) -> tuple[str, str]:
    """What stands below "MFLOPs" and "params"."""
    return f"{result.flops / 1e6:,.1f}", f"{result.params:,}"


def measured_on(images: int) -> str:
    """The line under such a table."""
    return f"Loss and accuracy: with the supernet's weights, on {images:,} held-out search images."


def leftover(rows: list[ExportedRow], out: Path) -> list[Path]:
    """Folders `out/N` and `out/BUDGET/N` that are none of these: an earlier export wrote others."""
    written = {out / row.place for row in rows}
    budgets = (path for path in _folders(out) if _BUDGET.fullmatch(path.name))
    found = [
        path
        for parent in (out, *sorted(budgets))
        for path in sorted((path for path in _folders(parent) if path.name.isdecimal()), key=_number)
    ]
    return [path for path in found if path not in written]


def _folders(parent: Path) -> list[Path]:
    return [path for path in parent.iterdir() if path.is_dir()] if parent.is_dir() else []


def _number(path: Path) -> int:
    return int(path.name)
