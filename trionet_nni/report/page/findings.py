"""Everything that a search has left on disk, read once, for its report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trionet_nni.architecture.cost import CostModel
from trionet_nni.errors import InputError
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.experiment.open import find_run, open_run
from trionet_nni.export.finalists import ended
from trionet_nni.finalists.halving import stands_alone
from trionet_nni.finalists.results import Standing
from trionet_nni.settings.project import ProjectConfig
from trionet_nni.supernet.completed import Completed, read_completed
from trionet_nni.supernet.curve import Curve, Point
from trionet_nni.supernet.folder import COMPLETE, CURVE
from trionet_nni.supernet.results import Evaluation, ranked


@dataclass(frozen=True)
class Findings:
    """A search, finished or not.

    Attributes:
        evaluations: in order of arrival; at least one.
        finalists: of each budget, the winner first; empty lists where there are none, or none yet.
        supernet: what its training wrote in the end.
        curve: of the supernet.
        cost: what FLOPs depend on; None where an experiment of before did not write it.
        failures: how many trials gave no result.
    """

    folder: ExperimentFolder
    config: ProjectConfig
    evaluations: tuple[Evaluation, ...]
    finalists: tuple[tuple[Standing, ...], ...]
    supernet: Completed
    curve: tuple[Point, ...]
    cost: CostModel | None
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
    return Findings(
        run.folder,
        run.config,
        evaluations,
        tuple(tuple(one) for one in ended(run)),
        read_completed(run.supernet / COMPLETE),
        tuple(point for point in Curve(run.supernet / CURVE).points() if "step" in point),
        run.cost if run.folder.cost.exists() else None,
        _lines(run.folder.failures),
    )


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8", errors="replace").splitlines()) if path.exists() else 0
