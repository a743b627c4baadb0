"""Everything that a search has left on disk, read once, for its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trionet_nni.errors import InputError
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.experiment.open import find_run, open_run
from trionet_nni.export.finalists import ended
from trionet_nni.files.text import read_object
from trionet_nni.finalists.halving import stands_alone
from trionet_nni.finalists.results import Standing
from trionet_nni.settings.project import ProjectConfig
from trionet_nni.supernet.curve import Curve, Point
from trionet_nni.supernet.folder import COMPLETE, CURVE
from trionet_nni.supernet.results import Evaluation, ranked


@dataclass(frozen=True)
class Findings:
    """A search, finished or not.

    Attributes:
        evaluations: in order of arrival; at least one.
        finalists: of each budget, the winner first; empty lists where there are none, or none yet.
        supernet: what its training wrote in the end: steps, seconds, how often it drew each operator, data.
        curve: of the supernet.
        cost: what FLOPs depend on: channels, side in pixels and classes of the images.
        failures: how many trials gave no result.
    """

    folder: ExperimentFolder
    config: ProjectConfig
    evaluations: tuple[Evaluation, ...]
    finalists: tuple[tuple[Standing, ...], ...]
    supernet: Mapping[str, Any]
    curve: tuple[Point, ...]
    cost: Mapping[str, Any]
    failures: int

    @property
    def limits(self) -> tuple[float, ...]:
        """Budgets, FLOPs, ascending."""
        return self.config.search.limits

    @property
    def alone(self) -> list[Evaluation]:
        """The evaluated networks with one operator alone, cheapest first."""
        found = (one for one in self.evaluations if stands_alone(one.architecture))
        return sorted(found, key=lambda one: one.flops)

    @property
    def best(self) -> list[Evaluation]:
        """By the search's own metric, the best first."""
        return ranked(self.evaluations, self.config.search.metric)

    def quality(self, one: Evaluation) -> float:
        """What the search ranks by, as a reader knows it: the loss, or the accuracy in percent."""
        return 100 * one.accuracy if self.config.search.metric == "accuracy" else one.loss or 0.0

    @property
    def quality_name(self) -> str:
        """Of this number, with its unit."""
        return "accuracy, %" if self.config.search.metric == "accuracy" else "loss, nats"

    @property
    def within(self) -> list[list[Evaluation]]:
        """For each budget the candidates that keep it, the best first."""
        return [ranked(self.evaluations, self.config.search.metric, limit) for limit in self.limits]


def findings(experiment: str | Path) -> Findings:
    """Read an experiment.

    Args:
        experiment: NNI's id, or the experiment's folder; it may still run.

    Raises:
        InputError: there is no such experiment, or it has no result yet.
    """
    run = open_run(find_run(experiment))
    evaluations = tuple(run.results.all())
    if not evaluations:
        raise InputError(f"{run.folder.evaluations}: found no evaluation, allowed: a search with results")
    complete = run.supernet / COMPLETE
    return Findings(
        run.folder,
        run.config,
        evaluations,
        tuple(tuple(one) for one in ended(run)),
        read_object(complete, "what the supernet's training wrote in the end") if complete.exists() else {},
        tuple(Curve(run.supernet / CURVE).points()),
        read_object(run.folder.cost, "the size of the images") if run.folder.cost.exists() else {},
        _lines(run.folder.failures),
    )


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8", errors="replace").splitlines()) if path.exists() else 0
