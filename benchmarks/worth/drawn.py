"""Networks of the space that are drawn, not searched: by a fixed seed, each once."""

from __future__ import annotations

from functools import cache

from numpy.random import RandomState

from benchmarks.worth.case import Case
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.budget import Budget
from trionet_nni.architecture.table import SpaceTable

PILOTS = 4  # of each operator
IN_BAND, OVER_RANGE = 21, 21  # networks of the rank fidelity
_NEAR = 0.05  # of F: the band of the rank fidelity
_STRATA = 7  # of the range, equal in log FLOPs; uniform drawing would crowd its middle


def chosen_at_random(case: Case, seed: int) -> Architecture:
    """What chance finds at the cost of the comparison."""
    return _draw(case, case.table, case.band, 1, 1_000 + seed)[0]


@cache
def alone(case: Case, operator: str) -> list[Architecture]:
    """Stand-alone networks of an operator at the cost of the comparison, the dearest first."""
    drawn = _draw(case, case.table.only(operator), case.band, PILOTS, 2_000)
    return sorted(drawn, key=lambda network: -case.cost(network).flops)


@cache
def near(case: Case) -> list[Architecture]:
    """Networks of nearly one cost, F ± 5 %."""
    band = (1 - _NEAR) * case.flops, (1 + _NEAR) * case.flops
    return _draw(case, case.table, band, IN_BAND, 3_000)


@cache
def spread(case: Case) -> list[Architecture]:
    """Networks over the whole range of the space, equally many in each of `_STRATA` ranges of FLOPs."""
    low, high = Budget.of(case.table, case.cost, 0, 1e15).reachable
    ratio = (high / low) ** (1 / _STRATA)
    ranges = [(low * ratio**n, low * ratio ** (n + 1)) for n in range(_STRATA)]
    each = OVER_RANGE // _STRATA
    return [one for n, part in enumerate(ranges) for one in _draw(case, case.table, part, each, 4_000 + n)]


def _draw(
    case: Case, table: SpaceTable, flops: tuple[float, float], count: int, seed: int
) -> list[Architecture]:
    budget, random = Budget.of(table, case.cost, *flops), RandomState(seed)
    found: dict[str, Architecture] = {}
    while len(found) < count:
        network = budget.random(random)
        found[network.hash] = network
    return list(found.values())
