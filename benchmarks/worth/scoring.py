"""What a supernet says of networks that it has not chosen, for the rank fidelity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from benchmarks.worth.case import CACHE, Case
from benchmarks.worth.measure import measure
from benchmarks.worth.meter import Meter
from benchmarks.worth.source import Given
from benchmarks.worth.supernet import Supernet, of_options, pipeline_splits
from benchmarks.worth.unit import Bench, Unit


@dataclass(frozen=True)
class Scoring(Unit):
    """Loss and accuracy of networks on the search images, with the weights of the supernet of a seed.

    Attributes:
        options: of the supernet.
    """

    case: Case
    networks: tuple[Given, ...]
    seed: int
    options: tuple[str, ...] = ()

    kind: ClassVar[str] = "scoring"

    @property
    def title(self) -> str:
        """Names the first network, and how many there are."""
        first = self.networks[0].name
        by = f"supernet{of_options(self.options)} {self.seed}"
        return f"{self.case.name}: {len(self.networks)} networks from {first} on by {by}"

    @property
    def supernet(self) -> Supernet:
        """Whose weights they get."""
        return Supernet(self.case, self.seed, self.options)

    @property
    def needs(self) -> tuple[Unit, ...]:
        """The supernet."""
        return (self.supernet,)

    @property
    def conditions(self) -> dict[str, Any]:
        """Supernet and networks."""
        return {"of": self.supernet.identity, "networks": [one.key for one in self.networks]}

    def prepare(self, bench: Bench) -> None:
        """The supernet's weights, on whatever machine."""
        self.supernet.ensure(bench)

    def compute(self, bench: Bench, meter: Meter) -> dict[str, Any]:
        """Cut out, recalibrate, measure; half a second a network."""
        from trionet_nni.supernet.evaluator import Evaluator
        from trionet_nni.training.recalibrate import recalibrate

        evaluator = Evaluator(self.supernet.config, self.supernet.directory(bench), CACHE)
        splits = pipeline_splits(self.case)
        scores = {}
        for one in self.networks:
            network = evaluator.network(one.architecture)
            recalibrate(network, splits.recalibration)
            scores[one.key] = measure(network, splits.search)
        return {"scores": scores}
