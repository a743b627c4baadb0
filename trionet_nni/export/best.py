"""`trionet export`: the best networks of an experiment, each as a folder that stands on its own."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from trionet_nni.architecture.budget import budget_name
from trionet_nni.data import Splits, load_splits
from trionet_nni.errors import InputError
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.export.card import Measured
from trionet_nni.export.network import write_network
from trionet_nni.export.settings import retrain_config
from trionet_nni.files.text import read_json
from trionet_nni.settings.plugins import use_code
from trionet_nni.settings.project import ProjectConfig, parse_stored
from trionet_nni.supernet.evaluator import WEIGHTS
from trionet_nni.supernet.results import Evaluation, ResultsStore, ranked

_BUDGET = re.compile(r"\d+(\.\d+)?[BMk]")  # names of `budget_name`


@dataclass(frozen=True)
class ExportedRow:
    """One exported network.

    Attributes:
        rank: from 1, the most accurate.
        evaluation: in the search.
        limit: the budget it is ranked within, FLOPs; None where the search had only one.
    """

    rank: int
    folder: Path
    evaluation: Evaluation
    limit: float | None = None

    @property
    def place(self) -> Path:
        """The folder as seen from the export's: `1`, or `4.7B/1`."""
        return _place(self.rank, self.limit)


@dataclass(frozen=True)
class _Experiment:
    files: ExperimentFolder
    config: ProjectConfig
    supernet: Path
    results: ResultsStore


def export(experiment: str | Path, top: int, out: Path) -> list[ExportedRow]:
    """Write the `top` most accurate networks of an experiment to `out/1`, `out/2` …

    Of a search under several budgets, the `top` within each: `out/2B/1` … `out/4.7B/1` … A network that
    is among the best of several budgets is written for each of them.

    Each folder holds `architecture.json`, `weights.safetensors` (cut out of the supernet, BN statistics
    of the recalibration split), `retrain.yml`, `retrain.sh`, `card.md` and `card.json`.

    Args:
        experiment: NNI's experiment id, or the experiment's folder.

    Raises:
        InputError: there is no such experiment, or it has not come to a result yet.
    """
    if top < 1:
        raise InputError(f"export: --top: found {top}, allowed: 1 or more")
    found = _open(experiment_folder(experiment))
    rows = _rows(found, top, out)
    if not rows:
        raise InputError(f"{found.files.evaluations}: found no evaluation, allowed: a search with results")
    splits = load_splits(found.config.data, found.files.cache)
    for row in rows:
        _write(row, found, splits)
    return rows


def _rows(experiment: _Experiment, top: int, out: Path) -> list[ExportedRow]:
    results, limits = experiment.results.all(), experiment.config.search.limits
    named: tuple[float | None, ...] = limits if len(limits) > 1 else (None,)
    return [
        ExportedRow(rank, out / _place(rank, limit), result, limit)
        for limit in named
        for rank, result in enumerate(ranked(results, limit or math.inf)[:top], 1)
    ]


def _place(rank: int, limit: float | None) -> Path:
    return Path(str(rank)) if limit is None else Path(budget_name(limit), str(rank))


def _write(row: ExportedRow, experiment: _Experiment, splits: Splits) -> None:
    result, config = row.evaluation, experiment.config
    cache = str(Path(*[".."] * len(row.place.parts), ".cache"))  # one of all networks of an export
    write_network(
        row.folder,
        result.architecture,
        config,
        retrain_config(config).model_copy(update={"cache": cache}),
        experiment.supernet,
        splits,
        origin={
            "experiment": experiment.files.root.name,
            "rank": str(row.rank),
            **({} if row.limit is None else {"budget": f"{budget_name(row.limit)} FLOPs"}),
        },
        measured=Measured(accuracy=result.accuracy, images=result.images, split="search"),
    )


def print_exported(rows: list[ExportedRow], out: Path) -> None:
    """The table of what was exported, and the command that comes next."""
    table = Table(title="Exported networks")
    for name in ("folder", "accuracy", "GFLOPs", "M params", "operators"):
        table.add_column(name, justify="left" if name in ("folder", "operators") else "right")
    for row in rows:
        result = row.evaluation
        numbers = (f"{result.accuracy:.4f}", f"{result.flops / 1e9:.4f}", f"{result.params / 1e6:.3f}")
        if row.rank == 1:  # the best within the next budget
            table.add_section()
        table.add_row(str(row.folder), *numbers, result.architecture.operators)
    console = Console()
    console.print(table)
    images = rows[0].evaluation.images
    console.print(f"Accuracy: with the supernet's weights, on {images:,} held-out search images.")
    left = leftover(rows, out)
    if left:
        names = " ".join(map(str, left))
        console.print(f"Of an earlier export, left as they were: {names}", soft_wrap=True)
    for number, row in enumerate(row for row in rows if row.rank == 1):
        script = out / row.place / "retrain.sh"
        console.print(f"{'      ' if number else 'Next: '}bash {script}", soft_wrap=True, highlight=False)


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


def experiment_folder(experiment: str | Path, home: Path | None = None) -> Path:
    """The folder of an experiment given by its folder or by NNI's id.

    Args:
        home: where NNI keeps its list of experiments; `~/nni-experiments` when None.

    Raises:
        InputError: there is none.
    """
    path = Path(experiment)
    if (path / "trionet").is_dir():
        return path
    index = (home or Path.home() / "nni-experiments") / ".experiment"
    known: Any = read_json(index, "NNI's list of experiments") if index.exists() else {}
    entry = known.get(str(experiment)) if isinstance(known, dict) else None
    if isinstance(entry, dict) and isinstance(entry.get("logDir"), str):
        path = Path(entry["logDir"]) / str(experiment)
    if not (path / "trionet").is_dir():
        raise InputError(
            f"experiment: found {str(experiment)!r}, allowed: an id that nnictl experiment list --all "
            "shows, or an experiment's folder (it has a folder trionet inside)"
        )
    return path


def _open(folder: Path) -> _Experiment:
    files = ExperimentFolder(folder.resolve())
    config = parse_stored(read_json(files.project, "an experiment's settings"), str(files.project))
    if files.code.exists():
        use_code(Path(files.code.read_text(encoding="utf-8").strip()))
    supernet = read_json(files.supernet, "a trained supernet")
    if not isinstance(supernet, dict) or not isinstance(supernet.get("directory"), str):
        raise InputError(f"{files.supernet}: directory: found none, allowed: the supernet's folder")
    directory = Path(supernet["directory"])
    if not (directory / WEIGHTS).exists():
        raise InputError(f"{directory / WEIGHTS}: found nothing, allowed: a supernet trained to its end")
    return _Experiment(files, config, directory, ResultsStore(files.evaluations))
