"""The units that the table is made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.options.adapted import Adapted
from benchmarks.options.conflicts import Conflicts
from benchmarks.worth.case import CASES, SEEDS
from benchmarks.worth.pilots import BestAlone
from benchmarks.worth.plan import ranked
from benchmarks.worth.scoring import Scoring
from benchmarks.worth.scratch import Training
from benchmarks.worth.source import Given
from benchmarks.worth.unit import Unit
from strategies.sandwich import largest_of, smallest

CASE = CASES["digits"]


@dataclass(frozen=True)
class Way:
    """One row of the table: how a supernet is trained, and how it scores.

    Attributes:
        options: switches of its training.
        steps, rate: of the adaptation of each network; 0 for none.
    """

    name: str
    options: tuple[str, ...] = ()
    steps: int = 0
    rate: float = 0.0

    def scoring(self, networks: tuple[Given, ...], seed: int) -> Scoring:
        """What it says of networks."""
        if self.steps:
            return Adapted(CASE, networks, seed, self.options, self.steps, self.rate)
        return Scoring(CASE, networks, seed, self.options)


PAPER = Way("as in the paper")
WAYS = (
    PAPER,
    Way("adaptation, 30 steps from 0.01", steps=30, rate=0.01),
    Way("adaptation, 30 steps from 0.05", steps=30, rate=0.05),
    Way("distillation", ("distillation",)),
    Way("projection", ("projection",)),
)


def judged() -> dict[str, tuple[Given, ...]]:
    """What every way scores, by name; the largest and the smallest of each operator have no training."""
    table, sets = CASE.table, ranked(CASE)
    low = {name: smallest(table, dict.fromkeys(table.positions(), name)) for name in table.operator_names}
    return {
        "largest": tuple(Given(f"largest {n}", largest_of(table, n)) for n in table.operator_names),
        "smallest": tuple(Given(f"smallest {n}", low[n]) for n in table.operator_names),
        "alone": tuple(given for training in pilots() if isinstance(given := training.source, Given)),
        "near": tuple(sets["near"]),
        "range": tuple(sets["range"]),
    }


def pilots() -> tuple[Training, ...]:
    """Of networks of one operator at the cost of the comparison; they are in the records already."""
    return BestAlone(CASE, CASE.table.operator_names).pilots


def truths(name: str) -> dict[str, list[Training]]:
    """The trainings from scratch of a set, by key of the network, as far as they belong to the table."""
    if name == "alone":
        return {training.source.key: [training] for training in pilots()}
    return {given.key: [Training(CASE, given, seed) for seed in SEEDS] for given in ranked(CASE)[name]}


def plan() -> list[Unit]:
    """Every unit once, needs first."""
    found = {unit.identity: unit for unit in _wanted()}
    return list(found.values())


def _wanted() -> Iterator[Unit]:
    """A seed after the other, and the option that costs another supernet and promises least at the end."""
    yield from pilots()
    for name in ("near", "range"):
        yield from (trainings[0] for trainings in truths(name).values())
    for ways in (WAYS[:-1], WAYS[-1:]):
        for seed in SEEDS:
            yield Conflicts(CASE, seed)
            for way in ways:
                yield from _scored(way, seed)


def _scored(way: Way, seed: int) -> Iterator[Unit]:
    for networks in judged().values():
        unit = way.scoring(networks, seed)
        yield from unit.needs
        yield unit
