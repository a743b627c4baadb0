"""The rival without a supernet that learns: a few networks from scratch, a regression, and finalists.

Whether a supernet is worth its training is decided by what else its seconds buy. Here they train some
random networks of the band and two stand-alone ones of each operator, once each. A ridge regression from
`traits` to their losses ranks many more, and the first of these become finalists as in the pipeline. So
nothing but the way in which finalists are found differs from the pipeline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from benchmarks.worth.case import Case
from benchmarks.worth.drawn import alone
from benchmarks.worth.finalist import FinalistTrainer, outcome
from benchmarks.worth.meter import Meter
from benchmarks.worth.regression import predicted
from benchmarks.worth.source import Source
from benchmarks.worth.supernet import pipeline_config
from benchmarks.worth.unit import Bench, Unit
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.budget import Budget
from trionet_nni.finalists.halving import Rung, choose, rungs
from trionet_nni.finalists.in_process import run_finalists
from trionet_nni.finalists.pilots import RIDGE

_POOL = 1_500  # networks that are ranked
_ALONE = 2  # stand-alone networks of each operator among the pilots
_FOLDS = 3  # divisions of the images that pilots are spread over


@dataclass(frozen=True)
class Predicted(Unit):
    """The winner of finalists that a regression has found.

    Attributes:
        pilots: networks that are trained for the regression.
    """

    case: Case
    seed: int
    pilots: int

    kind: ClassVar[str] = "predicted"

    @property
    def title(self) -> str:
        """Names seed and pilots."""
        return f"{self.case.name}: finalists predicted from {self.pilots} pilots, seed {self.seed}"

    @property
    def conditions(self) -> dict[str, Any]:
        """Pilots, regression, ladder and recipe."""
        config = pipeline_config(self.case, self.seed)
        assert config.search.finalists is not None
        return {
            "pilots": self.pilots,
            "seed": self.seed,
            "pool": _POOL,
            "alone": _ALONE,
            "folds": _FOLDS,
            "ridge": RIDGE,
            "band": [round(value) for value in self.case.band],
            "finalists": config.search.finalists.model_dump(exclude={"pilots"}),
            "recipe": config.retrain.model_dump(exclude_defaults=True),
        }

    @property
    def estimate(self) -> float:
        """Pilots and 14 trainings of finalists."""
        return (self.pilots + 14) * dict(self.case.costs)["training"]

    def compute(self, bench: Bench, meter: Meter) -> dict[str, Any]:
        """Pilots, regression, finalists; or go on."""
        config = pipeline_config(self.case, self.seed)
        shipped = config.search.finalists
        assert shipped is not None
        ladder = rungs(**dict(shipped))
        train = FinalistTrainer(self.case, config, bench.work(self))
        drawn = self._pool()
        each_alone = {name: alone(self.case, name) for name in self.case.table.operator_names}
        some_alone = [one for networks in each_alone.values() for one in networks[:_ALONE]]
        pilots = drawn[: self.pilots - len(some_alone)] + some_alone
        losses = [train(one, self._rung(number)) for number, one in enumerate(pilots)]
        known = drawn + [one for networks in each_alone.values() for one in networks]
        order = np.argsort(self._predict(pilots, losses, known), kind="stable")
        ranked = [known[place] for place in order]
        ended = run_finalists(choose(ranked, shipped.count), ladder, train)
        return outcome(ended)

    def _pool(self) -> list[Architecture]:
        """Different random networks of the band; the first ones are pilots."""
        budget = Budget.of(self.case.table, self.case.cost, *self.case.band)
        random, found = RandomState(7_000 + self.seed), dict[str, Architecture]()
        while len(found) < _POOL:
            network = budget.random(random)
            found[network.hash] = network
        return list(found.values())

    def _rung(self, number: int) -> Rung:
        """Which division of the images a pilot is trained on."""
        return Rung(1 + number % _FOLDS, self.pilots, self.case.training.steps or 1)

    def _predict(
        self, pilots: list[Architecture], losses: list[float], networks: list[Architecture]
    ) -> NDArray[np.float64]:
        """Losses of networks; those of a division are compared with that division's mean."""
        known = np.array(losses)
        for first in range(_FOLDS):
            known[first::_FOLDS] -= known[first::_FOLDS].mean()
        return predicted(self.case, pilots, known, networks)


@dataclass(frozen=True)
class FoundByPrediction(Source):
    """The winner of predicted finalists."""

    case: Case
    seed: int
    pilots: int

    @property
    def unit(self) -> Predicted:
        """Which found it."""
        return Predicted(self.case, self.seed, self.pilots)

    @property
    def key(self) -> str:
        """What finds it."""
        return f"winner of {self.unit.identity}"

    @property
    def title(self) -> str:
        """Names seed and pilots."""
        return f"the network {self.seed} predicted from {self.pilots} pilots"

    @property
    def needs(self) -> tuple[Unit, ...]:
        """The unit."""
        return (self.unit,)

    def network(self, bench: Bench) -> Architecture:
        """The winner."""
        return Architecture.from_dict(bench.needed(self.unit)["network"])
