"""All units in the order in which they are computed: what decides most for its price first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from benchmarks.worth.case import CASES, SEEDS, Case
from benchmarks.worth.drawn import chosen_at_random, near, spread
from benchmarks.worth.handmade import STYLES, handmade
from benchmarks.worth.pilots import BestAlone
from benchmarks.worth.scratch import Training
from benchmarks.worth.source import Given, Source
from benchmarks.worth.unit import Unit


def plan() -> list[Unit]:
    """Every unit once, needs first."""
    return _with_needs(_wanted())


def rivals(case: Case) -> dict[str, Source]:
    """Networks of the comparison at equal cost that need no search, by name, but for the random ones."""
    alone = {f"best {name} alone": BestAlone(case, (name,)) for name in case.table.operator_names}
    by_hand = {f"{style}-style": Given(f"{style}-style", handmade(case, style)) for style in STYLES}
    return {**alone, **by_hand}


def random_network(case: Case, seed: int) -> Source:
    """The random network of a seed of the comparison."""
    return Given(f"random network {seed}", chosen_at_random(case, seed))


def at_equal_cost(case: Case, seed: int) -> list[Unit]:
    """Trainings of one seed of training, for (a)."""
    others = [*rivals(case).values(), random_network(case, seed % len(SEEDS))]
    return [Training(case, source, seed) for source in others]


def ranked(case: Case) -> dict[str, list[Given]]:
    """Networks of the rank fidelity, (c)."""
    return {
        "near": [Given(f"near {number}", network) for number, network in enumerate(near(case))],
        "range": [Given(f"range {number}", network) for number, network in enumerate(spread(case))],
    }


def _wanted() -> Iterator[Unit]:
    cases = list(CASES.values())
    for repeat in range(max(case.repeats for case in cases)):
        for case in cases:
            seeds = range(repeat * len(SEEDS), (repeat + 1) * len(SEEDS))
            if repeat < case.repeats:
                for seed in seeds:
                    yield from at_equal_cost(case, seed)
        if repeat == 0:
            yield from _rank_fidelity(cases)


def _rank_fidelity(cases: list[Case]) -> Iterator[Unit]:
    for seed in SEEDS:
        for case in cases:
            for networks in ranked(case).values():
                for source in networks:
                    yield Training(case, source, seed)


def _with_needs(units: Iterable[Unit]) -> list[Unit]:
    ordered: dict[str, Unit] = {}

    def add(unit: Unit) -> None:
        if unit.identity not in ordered:
            for need in unit.needs:
                add(need)
            ordered[unit.identity] = unit

    for unit in units:
        add(unit)
    return list(ordered.values())
