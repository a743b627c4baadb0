"""The best stand-alone network of an operator, chosen without the test images and without a supernet."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.worth.case import Case
from benchmarks.worth.drawn import alone
from benchmarks.worth.scratch import Training
from benchmarks.worth.source import Given, Source
from benchmarks.worth.unit import Bench, Unit
from trionet_nni.architecture.architecture import Architecture

_SEED = 100  # of the pilots' trainings: none of the comparison's


@dataclass(frozen=True)
class BestAlone(Source):
    """Of some stand-alone networks at the cost of the comparison the one with the least validation loss.

    Attributes:
        operators: whose networks; several: the best of them all.
    """

    case: Case
    operators: tuple[str, ...]

    @property
    def pilots(self) -> tuple[Training, ...]:
        """One training from scratch each, without the search images."""
        return tuple(
            Training(self.case, Given(f"{operator} alone {number}", network), _SEED, "pilot")
            for operator in self.operators
            for number, network in enumerate(alone(self.case, operator))
        )

    @property
    def key(self) -> str:
        """The pilots, which decide."""
        return f"best of {' '.join(pilot.identity for pilot in self.pilots)}"

    @property
    def title(self) -> str:
        """Names the operator."""
        names = self.operators[0] if len(self.operators) == 1 else "any operator"
        return f"the best of {names} alone"

    @property
    def needs(self) -> tuple[Unit, ...]:
        """Every pilot."""
        return self.pilots

    def network(self, bench: Bench) -> Architecture:
        """The pilot with the least loss on the search images."""
        best = min(self.pilots, key=lambda pilot: float(bench.needed(pilot)["loss"]))
        return best.source.network(bench)

    def operator(self, bench: Bench) -> str | None:
        """Whose network that is; None as long as a pilot is missing."""
        if any(bench.result(pilot) is None for pilot in self.pilots):
            return None
        return next(block.operator for _, block in self.network(bench).blocks())
