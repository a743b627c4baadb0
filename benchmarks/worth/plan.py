"""All units in the order in which they are computed: what decides most for its price first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from benchmarks.worth.case import CASES, SEEDS, Case
from benchmarks.worth.drawn import chosen_at_random, near, spread
from benchmarks.worth.handmade import STYLES, handmade
from benchmarks.worth.piloted import FoundWithPilots
from benchmarks.worth.pilots import BestAlone
from benchmarks.worth.predicted import FoundByPrediction
from benchmarks.worth.scoring import Scoring
from benchmarks.worth.scratch import Training
from benchmarks.worth.search import Searched
from benchmarks.worth.source import Given, Source
from benchmarks.worth.study import FoundByOptuna
from benchmarks.worth.unit import Unit

PILOTS = (
    24,
    42,
)  # of the regression without a supernet: the pipeline's seconds on the digits, and more
BEFORE = 16  # pilots of a search, half as long as the last training: about the pipeline's seconds
SHORTER = (0.1, 0.25, 0.5)  # times the length: what trainings of finalists say that are cut short
SHORTER_SEED = 100  # of no other training
SHIPPED = 0.5  # times the length: what the shipped experiments give a finalist
LONGER = 8  # times the length: what the best stand-alone network gets at most of the pipeline's seconds


def plan() -> list[Unit]:
    """Every unit once, needs first."""
    return _with_needs(_wanted(list(CASES.values())))


def rivals(case: Case) -> dict[str, Source]:
    """Networks of the comparison at equal cost that need no search, by name, but for the random ones."""
    alone = {f"best {name} alone": BestAlone(case, (name,)) for name in case.table.operator_names}
    by_hand = {f"{style}-style": Given(f"{style}-style", handmade(case, style)) for style in STYLES}
    return {**alone, **by_hand}


def random_network(case: Case, seed: int) -> Source:
    """The random network of a seed of the comparison."""
    return Given(f"random network {seed}", chosen_at_random(case, seed))


def longer(case: Case, seed: int) -> Training:
    """The best stand-alone network of all, trained `LONGER` times as long."""
    return Training(case, BestAlone(case, case.table.operator_names), seed, times=LONGER)


def longer_searched(case: Case, seed: int) -> Training:
    """What the search found, trained as long: whether it leads where nobody saves on the training."""
    return Training(case, Searched(case, case.search_of(seed)), seed, times=LONGER)


def longer_throughout(case: Case, seed: int) -> Training:
    """What finalists as long as the last training choose, trained as long."""
    return Training(case, Searched(case, case.search_of(seed), times=LONGER), seed, times=LONGER)


def shipped(case: Case, seed: int) -> Training:
    """What finalists choose that are half as long as the last training, as in the shipped experiments."""
    return Training(case, Searched(case, case.search_of(seed), times=SHIPPED), seed)


def piloted(case: Case, seed: int) -> Training:
    """What finalists of that length choose after pilots."""
    return Training(case, FoundWithPilots(case, case.search_of(seed), BEFORE, SHIPPED), seed)


def longer_optuna(case: Case, seed: int) -> Training:
    """What Optuna found, trained as long."""
    return Training(case, FoundByOptuna(case, case.search_of(seed)), seed, times=LONGER)


def ranked(case: Case) -> dict[str, list[Given]]:
    """Networks of the rank fidelity, (c)."""
    return {
        "near": [Given(f"near {number}", network) for number, network in enumerate(near(case))],
        "range": [Given(f"range {number}", network) for number, network in enumerate(spread(case))],
    }


def shorter(case: Case, given: Given, times: float) -> Training:
    """One training that was cut short, of a network of the rank fidelity."""
    return Training(case, given, SHORTER_SEED, times=times)


def _wanted(cases: list[Case]) -> Iterator[Unit]:
    for seed in SEEDS:
        for case in cases:
            yield from _rivals(case, seed)
    for seed in SEEDS:
        for case in cases:
            yield from _searched(case, seed)
    for case in cases:
        yield from _rank_fidelity(case, SEEDS[0])
    for seed in SEEDS:
        for case in cases:
            yield from _equal_compute(case, seed)
    for seed in SEEDS[1:]:
        for case in cases:
            yield from _rank_fidelity(case, seed)
    for case in cases:
        for seed in _repeats(case):
            yield from _rivals(case, seed)
            yield from _searched(case, seed)
            yield Training(case, FoundByOptuna(case, case.search_of(seed)), seed)
            yield from _predicted(case, seed)
    for case in cases:
        for seed in _repeats(case):
            yield longer(case, seed)
            yield longer_searched(case, seed)
            yield longer_optuna(case, seed)
    for case in cases:
        yield from (shipped(case, seed) for seed in case.training_seeds)
        yield from (piloted(case, seed) for seed in case.training_seeds)
    for case in cases:
        yield from (shorter(case, given, times) for times in SHORTER for given in ranked(case)["near"])
    for case in cases:
        for seed in SEEDS:
            yield from (
                Training(case, given, seed, times=LONGER)
                for networks in ranked(case).values()
                for given in networks
            )
    for case in cases:
        for seed in case.training_seeds:
            if seed not in SEEDS and seed not in _repeats(case):
                yield from _further(case, seed)


def _repeats(case: Case) -> tuple[int, ...]:
    """Training seeds beyond the first of each search."""
    return case.training_seeds[len(SEEDS) : len(SEEDS) * case.repeats]


def _further(case: Case, seed: int) -> Iterator[Unit]:
    """A search more, beside each operator alone and Optuna, and, trained long, the best of all alone."""
    yield Training(case, Searched(case, case.search_of(seed)), seed)
    for name in case.table.operator_names:
        yield Training(case, BestAlone(case, (name,)), seed)
    yield Training(case, FoundByOptuna(case, case.search_of(seed)), seed)
    yield longer(case, seed)
    yield longer_searched(case, seed)
    yield longer_throughout(case, seed)


def _rivals(case: Case, seed: int) -> Iterator[Unit]:
    """(a) without the search."""
    for source in (*rivals(case).values(), random_network(case, case.search_of(seed))):
        yield Training(case, source, seed)


def _searched(case: Case, seed: int) -> Iterator[Unit]:
    """The pipeline of a seed, and the trainings of what it found."""
    for finalists in (True, False):
        yield Training(case, Searched(case, case.search_of(seed), finalists), seed)


def _rank_fidelity(case: Case, seed: int) -> Iterator[Unit]:
    """(c): networks from scratch with one seed; with the first also what the supernets say of them."""
    for networks in ranked(case).values():
        if seed == SEEDS[0]:
            yield from (Scoring(case, tuple(networks), supernet) for supernet in SEEDS)
        yield from (Training(case, given, seed) for given in networks)


def _equal_compute(case: Case, seed: int) -> Iterator[Unit]:
    """(b)."""
    yield Training(case, FoundByOptuna(case, seed), seed)
    yield from _predicted(case, seed)
    yield longer(case, seed)
    yield longer_searched(case, seed)
    yield longer_optuna(case, seed)
    yield longer_throughout(case, seed)


def _predicted(case: Case, seed: int) -> Iterator[Unit]:
    """(b), without a supernet."""
    yield from (
        Training(case, FoundByPrediction(case, case.search_of(seed), pilots), seed) for pilots in PILOTS
    )


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
