"""The pipeline with pilots: a search whose finalists are chosen by what some of them have shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from benchmarks.worth.case import Case
from benchmarks.worth.finalist import FinalistTrainer, outcome
from benchmarks.worth.meter import Meter
from benchmarks.worth.search import Search
from benchmarks.worth.source import Source
from benchmarks.worth.unit import Bench, Unit, as_long
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.finalists.field import Field
from trionet_nni.finalists.halving import rungs, training_steps
from trionet_nni.finalists.in_process import run_field
from trionet_nni.finalists.pilots import RIDGE
from trionet_nni.settings.project import FinalistsConfig

COUNT, REPEATS = 6, 3  # finalists beside the pilots, and trainings of the best two


@dataclass(frozen=True)
class Piloted(Unit):
    """Pilots and finalists of a search.

    Attributes:
        pilots: how many.
        times: the length of each training ÷ the recipe's.
    """

    case: Case
    seed: int
    pilots: int
    times: float

    kind: ClassVar[str] = "piloted"

    @property
    def title(self) -> str:
        """Names pilots, length and seed."""
        length = as_long(self.times)
        return f"{self.case.name}: finalists after {self.pilots} pilots{length}, seed {self.seed}"

    @property
    def search(self) -> Search:
        """Whose candidates they are."""
        return Search(self.case, self.seed)

    @property
    def needs(self) -> tuple[Unit, ...]:
        """The search."""
        return (self.search,)

    @property
    def config(self) -> FinalistsConfig:
        """As an experiment file would have it."""
        steps = round((self.case.training.steps or 1) * self.times)
        return FinalistsConfig(count=COUNT, steps=steps, repeats=REPEATS, pilots=self.pilots)

    @property
    def conditions(self) -> dict[str, Any]:
        """Search, ladder, regression and recipe."""
        return {
            "of": self.search.identity,
            "finalists": self.config.model_dump(),
            "ridge": RIDGE,
            "recipe": self.search.config.retrain.model_dump(exclude_defaults=True),
        }

    @property
    def estimate(self) -> float:
        """In proportion to the steps."""
        share = training_steps(rungs(**dict(self.config))) / (self.case.training.steps or 1)
        return share * dict(self.case.costs)["training"]

    def prepare(self, bench: Bench) -> None:
        """The candidates of the search, on whatever machine."""
        self.search.evaluations(bench)

    def compute(self, bench: Bench, meter: Meter) -> dict[str, Any]:
        """Train them rung by rung, or go on.

        `as_recorded` says whether the candidates are the search's own: where its weights and evaluations
        were not there, it was run again, on another machine perhaps, which rounds otherwise.
        """
        config, search = self.config, self.search.config
        ranked = self.search.evaluations(bench)
        field = Field(config, self.case.table, search.search.metric, lambda: [ranked])
        train = FinalistTrainer(self.case, search, bench.work(self))
        ended = run_field(field, rungs(**dict(config)), train)
        as_recorded = self.search.rows(ranked) == bench.needed(self.search)["candidates"]
        return {"as_recorded": as_recorded, **outcome(ended)}


@dataclass(frozen=True)
class FoundWithPilots(Source):
    """The winner of a search with pilots."""

    case: Case
    seed: int
    pilots: int
    times: float

    @property
    def unit(self) -> Piloted:
        """Which found it."""
        return Piloted(self.case, self.seed, self.pilots, self.times)

    @property
    def key(self) -> str:
        """What finds it."""
        return f"winner of {self.unit.identity}"

    @property
    def title(self) -> str:
        """Names seed, pilots and length."""
        return f"the searched network {self.seed} with {self.pilots} pilots{as_long(self.times)}"

    @property
    def needs(self) -> tuple[Unit, ...]:
        """The unit."""
        return (self.unit,)

    def network(self, bench: Bench) -> Architecture:
        """The winner."""
        return Architecture.from_dict(bench.needed(self.unit)["network"])
