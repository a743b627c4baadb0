"""What a supernet says of networks whose own copies of its weights were trained a little."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmarks.worth.case import CACHE
from benchmarks.worth.measure import measure
from benchmarks.worth.meter import Meter
from benchmarks.worth.scoring import Scoring
from benchmarks.worth.supernet import pipeline_splits
from benchmarks.worth.unit import Bench
from trionet_nni.settings.project import RecipeConfig


@dataclass(frozen=True)
class Adapted(Scoring):
    """The same after some steps of short adaptation.

    Attributes:
        steps: of each network.
        rate: the learning rate that they begin with.
    """

    steps: int = 0
    rate: float = 0.0

    kind: ClassVar[str] = "adapted"

    @property
    def title(self) -> str:
        """Says how long and how fast."""
        return f"{super().title}, adapted for {self.steps} steps from {self.rate:g}"

    @property
    def recipe(self) -> RecipeConfig:
        """That of the trainings from scratch, but short and slow."""
        from trionet_nni.supernet.adaptation import for_steps

        return for_steps(self.case.training, self.steps).model_copy(update={"learning_rate": self.rate})

    @property
    def conditions(self) -> dict[str, Any]:
        """Also of the adaptation."""
        return {**super().conditions, "adaptation": self.recipe.model_dump(exclude_defaults=True)}

    def compute(self, bench: Bench, meter: Meter) -> dict[str, Any]:
        """Cut out, adapt, recalibrate, measure."""
        from trionet_nni.supernet.adaptation import adapt
        from trionet_nni.supernet.evaluator import Evaluator
        from trionet_nni.training.recalibrate import recalibrate

        evaluator = Evaluator(self.supernet.config, self.supernet.directory(bench), CACHE)
        splits, scores, seconds = pipeline_splits(self.case), {}, 0.0
        for one in self.networks:
            network = evaluator.network(one.architecture)
            begin = time.process_time()
            adapt(network, splits.train, self.recipe)
            seconds += time.process_time() - begin
            recalibrate(network, splits.recalibration)
            scores[one.key] = measure(network, splits.search)
        return {"scores": scores, "seconds_adapting": round(seconds, 1)}
