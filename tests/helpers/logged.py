"""What a logger has written, read back with its own package, the same way for all of them."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.helpers import wandb_file


@dataclass
class Logged:
    """One run.

    Attributes:
        curves: by name, (step, value) in order of the steps.
        settings: the run's configuration.
        names: of the run, as many as it was begun with.
        pictures: names and steps of what was shown.
    """

    curves: dict[str, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))
    settings: dict[str, Any] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    pictures: list[str] = field(default_factory=list)


def logged(kind: str, directory: Path) -> Logged:
    """What lies in the directory of a training: of csv, wandb or mlflow."""
    found = {"csv": _csv, "wandb": _wandb, "mlflow": _mlflow}[kind](directory)
    for curve in found.curves.values():
        curve.sort()
    found.curves.pop("epoch", None)  # Lightning's own, always 0: a run is one epoch of it
    return found


def _csv(directory: Path) -> Logged:
    found = Logged()
    for file in sorted(directory.rglob("metrics.csv")):
        for row in csv.DictReader(file.open(encoding="utf-8")):
            step = int(row.pop("step"))
            for name, value in row.items():
                if value:
                    found.curves[name].append((step, float(value)))
        found.settings = yaml.safe_load(file.with_name("hparams.yaml").read_text(encoding="utf-8"))
    return found


def _wandb(directory: Path) -> Logged:
    found = Logged()
    for folder in sorted(directory.glob("wandb/offline-run-*")):
        for values in wandb_file.history(folder):
            step = values.pop("trainer/global_step")
            for name, value in values.items():
                if isinstance(value, dict):
                    found.pictures.append(f"{name}/{step}")
                elif not name.startswith("_"):  # its own time and number of the call
                    found.curves[name].append((step, value))
        found.settings |= wandb_file.config(folder)
        found.names.add(wandb_file.run(folder).run_id)
    return found


def _mlflow(directory: Path) -> Logged:
    from mlflow import MlflowClient

    found, client = Logged(), MlflowClient(f"sqlite:///{directory.resolve()}/mlflow.db")
    experiment = client.get_experiment_by_name("trionet")
    for run in client.search_runs([experiment.experiment_id]):
        number = run.info.run_id
        assert run.info.status == "FINISHED"
        for name in run.data.metrics:
            history = client.get_metric_history(number, name)
            found.curves[name] += [(one.step, one.value) for one in history]
        found.settings |= run.data.params
        found.names.add(number)
        found.pictures += list(_files(client, number, ""))
    return found


def _files(client: Any, run: str, folder: str) -> Iterator[str]:
    for one in client.list_artifacts(run, folder):
        if one.is_dir:
            yield from _files(client, run, one.path)
        else:
            yield one.path.removesuffix(".png")
