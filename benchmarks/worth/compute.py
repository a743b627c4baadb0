"""Equal compute: every way to spend a pipeline's CPU seconds, beside the searched network."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

from benchmarks.worth.case import Case
from benchmarks.worth.piloted import FoundWithPilots, Piloted
from benchmarks.worth.pilots import BestAlone
from benchmarks.worth.plan import (
    BEFORE,
    LONGER,
    PILOTS,
    SHIPPED,
    longer,
    longer_optuna,
    longer_searched,
    longer_throughout,
    shipped,
)
from benchmarks.worth.predicted import FoundByPrediction, Predicted
from benchmarks.worth.rows import Row, results_of, row_of, trained, values_of
from benchmarks.worth.scratch import Training
from benchmarks.worth.search import Searched, pipeline
from benchmarks.worth.statistics import difference
from benchmarks.worth.study import FoundByOptuna, Study
from benchmarks.worth.unit import Bench, Unit


@dataclass(frozen=True)
class _Way:
    """One way to spend the seconds.

    Attributes:
        name: in the table.
        results: its last trainings, by seed.
        before: units whose CPU seconds come before the last training, by seed of the search.
        alone: trainings, as long as its own, of the best network of any operator alone; None: not compared.
    """

    name: str
    results: dict[int, Row]
    before: Callable[[int], Sequence[Unit]] = lambda seed: ()
    alone: dict[int, Row] | None = None


def equal_compute(case: Case, bench: Bench) -> list[Row]:
    """(b): the whole pipeline beside what else its CPU seconds buy."""
    searched = trained(case, lambda seed: Searched(case, seed), bench)
    rows = []
    for way in (*_as_long(case, bench, searched), *_longer(case, bench)):
        if way.results:
            rows.append({**row_of(case, way.name, way.results, searched), **_beside_alone(case, way)})
            rows[-1]["seconds_before"] = _seconds_before(case, bench, way)
    return rows


def _as_long(case: Case, bench: Bench, searched: dict[int, Row]) -> Iterator[_Way]:
    """The ways whose last training is as long as the recipe says."""
    alone = _best_alone(case, bench)
    yield _Way("searched", searched, lambda seed: pipeline(case, seed), alone)
    name = f"searched with finalists {SHIPPED:g} times as long"
    halved = _each(case, bench, shipped)
    yield _Way(name, halved, lambda seed: pipeline(case, seed, SHIPPED), alone)
    found = trained(case, lambda seed: FoundByOptuna(case, seed), bench)
    yield _Way("Optuna", found, lambda seed: (Study(case, seed),), alone)
    name = f"searched with {BEFORE} pilots, all {SHIPPED:g} times as long"
    found = trained(case, lambda seed: FoundWithPilots(case, seed, BEFORE, SHIPPED), bench)
    yield _Way(name, found, lambda seed: _piloted(case, seed), alone)
    for pilots in PILOTS:
        name = f"finalists predicted from {pilots} pilots, no supernet"
        found = trained(case, lambda seed, n=pilots: FoundByPrediction(case, seed, n), bench)  # type: ignore[misc]
        yield _Way(name, found, lambda seed, n=pilots: (Predicted(case, seed, n),), alone)  # type: ignore[misc]


def _longer(case: Case, bench: Bench) -> Iterator[_Way]:
    """The ways whose last training is several times as long."""
    long = f"{LONGER} times as long"
    alone = _each(case, bench, longer)
    yield _Way(f"best of all alone, {long}", alone)
    found = _each(case, bench, longer_searched)
    yield _Way(f"searched, {long}", found, lambda seed: pipeline(case, seed), alone)
    found = _each(case, bench, longer_optuna)
    yield _Way(f"Optuna, {long}", found, lambda seed: (Study(case, seed),), alone)
    found = _each(case, bench, longer_throughout)
    name = f"searched with finalists {long}, {long}"
    yield _Way(name, found, lambda seed: pipeline(case, seed, LONGER), alone)


def _each(case: Case, bench: Bench, training: Callable[[Case, int], Training]) -> dict[int, Row]:
    return results_of(bench, {seed: training(case, seed) for seed in case.training_seeds})


def _piloted(case: Case, seed: int) -> Sequence[Unit]:
    """Supernet, search, and pilots with finalists."""
    found = Piloted(case, seed, BEFORE, SHIPPED)
    return found, found.search, found.search.supernet


def _best_alone(case: Case, bench: Bench) -> dict[int, Row]:
    """The trainings, as long as the recipe says, of the best network of any operator alone."""
    best = BestAlone(case, case.table.operator_names).operator(bench)
    return {} if best is None else trained(case, lambda seed: BestAlone(case, (best,)), bench)


def _beside_alone(case: Case, way: _Way) -> Row:
    """How far networks are ahead of the best of all alone, trained as long."""
    if way.alone is None:
        return {}
    rows = {}
    for measure in ("accuracy", "loss"):
        ahead = difference(values_of(way.results, measure), values_of(way.alone, measure), case.search_of)
        rows[f"{measure}_ahead_of_alone"] = None if ahead is None else asdict(ahead)
    return rows


def _seconds_before(case: Case, bench: Bench, way: _Way) -> int:
    """Mean CPU seconds before the last training, over the searches of which every unit is there; else 0."""
    spent = []
    for seed in case.searches:
        found = [bench.result(unit) for unit in way.before(seed)]
        if found and all(found):
            spent.append(sum(float(one["cpu_seconds"]) for one in found if one))
    return round(statistics.fmean(spent)) if spent else 0
