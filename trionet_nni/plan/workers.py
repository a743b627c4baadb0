"""What a search takes with many workers, each a machine of its own: simulated, one manager, one store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from trionet_nni.errors import InputError
from trionet_nni.plan.estimate import BETWEEN_SECONDS
from trionet_nni.plan.plan import Plan
from trionet_nni.plan.simulation import Outcome, Overheads, Search, simulate

MOST = 4096
STORE = 1.25e9  # bytes a second from where weights and images lie to all workers together: 10 Gbit/s
# Measured by `python -m benchmarks.manager` and `.soak`; docs/scale.md says when, and on what.
COSTS = Overheads(manage_known=1e-5)
_WHAT = {
    "evaluators": "nothing to speak of: more workers help",
    "manager": "NNI's manager is always busy: more workers do not help",
    "advisor": "the advisor is always busy: more workers do not help",
    "store": "weights and images, read at the start",
    "waiting": "the manager's looks, the trials' processes",
}


@dataclass(frozen=True)
class Crew:
    """A search by so many workers.

    Attributes:
        hours: from the first candidate to the end of the last one.
        per_minute: candidates.
        loading: hours until every worker has read weights and images, at `STORE`.
        limit: a key of `what`.
        busy: share of the time in which manager, advisor and evaluators work.
    """

    workers: int
    hours: float
    per_minute: float
    loading: float
    limit: str
    busy: dict[str, float]

    @property
    def what(self) -> str:
        """The limit in words."""
        return _WHAT[self.limit]

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def crew_of(plan: Plan, workers: int, costs: Overheads = COSTS) -> Crew:
    """Simulate the plan's search with so many workers.

    Raises:
        InputError: there are too many or too few of them, or there is nothing to search.
    """
    if not 1 <= workers <= MOST:
        raise InputError(f"--workers: found {workers}, allowed: 1 to {MOST:,}")
    if plan.candidates < 1:
        raise InputError("--workers: found an experiment without maxTrialNumber, allowed: one with it")
    seconds = plan.measured.candidate - (BETWEEN_SECONDS if plan.elsewhere is not None else 0)
    loading = workers * plan.loaded_bytes / STORE
    search = Search(plan.candidates, max(seconds, 0.0), workers, loading=loading)
    outcome = simulate(search, costs)
    return Crew(
        workers,
        outcome.wall / 3600,
        outcome.per_minute,
        loading / 3600,
        _limit(outcome, loading),
        outcome.busy,
    )


def crews_of(plan: Plan, workers: Sequence[int]) -> list[Crew]:
    """One for each number; see `crew_of`."""
    return [crew_of(plan, count) for count in workers]


def _limit(outcome: Outcome, loading: float) -> str:
    return "store" if loading > outcome.wall / 2 else outcome.limit
