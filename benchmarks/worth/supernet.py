"""The pipeline, first part: a supernet for each seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.worth.case import CACHE, Case
from benchmarks.worth.meter import Meter
from benchmarks.worth.unit import Bench, Unit
from trionet_nni.data import Splits, load_splits
from trionet_nni.settings.project import (
    DataConfig,
    FinalistsConfig,
    ProjectConfig,
    SearchConfig,
    SupernetConfig,
)
from trionet_nni.supernet.curve import Curve, Point
from trionet_nni.supernet.folder import CURVE, is_complete
from trionet_nni.supernet.train import ensure_supernet

_RECALIBRATION = 500  # images that give a candidate its BN statistics
_CHECKPOINT_MINUTES = 1.0


def pipeline_config(case: Case, seed: int) -> ProjectConfig:
    """An experiment as a user would write it: the shipped defaults, at the cost of the comparison."""
    low, high = case.band
    return ProjectConfig(
        space=case.space,
        data=_data(case),
        supernet=SupernetConfig(
            recipe=case.supernet.model_copy(update={"seed": seed}),
            curve_points=5,
            checkpoint_minutes=_CHECKPOINT_MINUTES,
        ),
        search=SearchConfig(
            max_flops=high,
            band=low / high,
            population=40,
            parents=8,
            seed=seed,
            finalists=FinalistsConfig(steps=case.training.steps or 1),
        ),
        retrain=case.training.model_copy(update={"seed": 200 + 10 * seed}),
    )


def pipeline_splits(case: Case) -> Splits:
    """Its images. Candidates from scratch are trained on `train` as well: all but the search images."""
    return load_splits(_data(case), CACHE)


def _data(case: Case) -> DataConfig:
    """The case's, but with BN statistics from training images, as the default is."""
    return case.data.model_copy(
        update={"recalibration": "training", "recalibration_images": _RECALIBRATION, "workers": 0}
    )


@dataclass(frozen=True)
class Supernet(Unit):
    """The trained supernet of a seed. Its weights stay in the bench's folder, and are not committed.

    Attributes:
        options: switches of `SupernetConfig` that are on, beyond the paper.
    """

    case: Case
    seed: int
    options: tuple[str, ...] = ()

    kind: ClassVar[str] = "supernet"

    @property
    def title(self) -> str:
        """Names the seed."""
        return f"{self.case.name}: supernet{of_options(self.options)}, seed {self.seed}"

    @property
    def config(self) -> ProjectConfig:
        """The experiment that it is the supernet of."""
        config = pipeline_config(self.case, self.seed)
        supernet = config.supernet.model_copy(update=dict.fromkeys(self.options, True))
        return config.model_copy(update={"supernet": supernet})

    @property
    def conditions(self) -> dict[str, Any]:
        """How it is trained."""
        supernet = self.config.supernet
        cadence = {"curve_points", "checkpoint_minutes"}
        return {
            "supernet": supernet.model_dump(exclude_defaults=True, exclude=cadence),
            "recalibration": _RECALIBRATION,
            "initialization": "as a static network",
        }

    def directory(self, bench: Bench) -> Path:
        """Where its weights lie."""
        return bench.folder / "supernets" / self.identity

    def ensure(self, bench: Bench) -> None:
        """Train it where its weights are not there, as on another machine than the one with the result."""
        if not is_complete(self.directory(bench), self.config.supernet_hash()):
            ensure_supernet(self.config, self.directory(bench), CACHE, _say)

    def compute(self, bench: Bench, meter: Meter) -> dict[str, Any]:
        """Train it, or go on from its checkpoint."""
        self.ensure(bench)
        return {"steps": self.case.supernet.steps, "curve": Curve(self.directory(bench) / CURVE).points()}


def of_options(options: tuple[str, ...]) -> str:
    """What titles say of them."""
    return f" with {' and '.join(options)}" if options else ""


def _say(point: Point) -> None:
    print({name: round(value, 3) for name, value in point.items()}, end=" ", flush=True)
