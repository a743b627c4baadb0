"""A search on paper: its wall time for any number of workers, by discrete events.

What happens to a candidate between two looks of NNI's manager, with the names of `Overheads`:

    the manager looks, every `poll` seconds, which trials have ended     (`manage`, one after the other)
    the advisor notes the result, saves, proposes the next candidate     (`advise`, one after the other)
    the manager starts its trial when it looks again                     (at most `workers` at a time)
    the trial's process starts, and asks an evaluator                    (`before`, in part on one core)
    the evaluator computes                                               (`seconds`, on one of `evaluators`)
    the trial reports, and ends                                          (`after`, likewise)

A trial that fails is tried again, as the search does. Pure Python: neither torch nor NNI.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

_BUSY = 0.85  # share of the time from which on something is the limit


@dataclass(frozen=True)
class Overheads:
    """What a candidate costs beside its evaluation, seconds; as measured on two busy cores, docs/scale.md.

    Attributes:
        poll: between two looks of NNI's manager; its own constant for local and remote trials.
        manage: of the manager's only thread, for each trial.
        manage_known: more of it for each trial that the experiment already has; its database has no index.
        advise: of the advisor, from a trial's end to the next candidate.
        before: from the start of a trial's process until it asks an evaluator.
        after: from the evaluator's answer until the process has ended.
        computing: share of `before` and `after` that needs one of `cores`; in the rest the process waits.
    """

    poll: float = 0.5
    manage: float = 0.056
    manage_known: float = 0.0
    advise: float = 0.011
    before: float = 0.58
    after: float = 0.14
    computing: float = 0.3


@dataclass(frozen=True)
class Search:
    """What is searched, and with what.

    Attributes:
        seconds: of one evaluation.
        workers: trials at a time, `trialConcurrency`.
        evaluators: that compute at the same time; None: as many as workers.
        cores: that the trials' processes share; None: enough, as where each worker is a machine.
        shared: whether the manager and the advisor compute on these cores too.
        spread: of the evaluations' times: each is drawn evenly from 1 ∓ spread of `seconds`.
        failures: share of trials that fail, at their end.
        retries: of a failed candidate, as `search.retries`.
        loading: seconds until an evaluator has its weights and images, once each.
        seed: of failures and times.
    """

    candidates: int
    seconds: float
    workers: int = 1
    evaluators: int | None = None
    cores: int | None = None
    shared: bool = True
    spread: float = 0.0
    failures: float = 0.0
    retries: int = 2
    loading: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """A simulated search.

    Attributes:
        wall: seconds from the first request to the end of the last trial.
        trials: with those that failed.
        lost: candidates that were given up.
        busy: share of the wall time in which each station works: manager, advisor, evaluators, cores.
        ends: when each trial ended, seconds, ascending.
    """

    wall: float
    trials: int
    lost: int
    busy: dict[str, float]
    ends: tuple[float, ...] = field(repr=False)

    @property
    def per_minute(self) -> float:
        """Trials a minute, the start included."""
        return 60 * self.trials / self.wall

    @property
    def limit(self) -> str:
        """What is busy all the time: a key of `busy`; "waiting" where nothing is."""
        name = max(self.busy, key=lambda key: self.busy[key])
        return name if self.busy[name] >= _BUSY else "waiting"


class _Station:
    """Servers that take what comes, first come, first served."""

    def __init__(self, servers: int) -> None:
        self.free, self.busy = [0.0] * servers, 0.0

    @property
    def share(self) -> float:
        return self.busy / len(self.free)


def _serve(now: float, seconds: float, *stations: _Station) -> float:
    """When work is done that needs a server of each station at the same time."""
    begin = max([now, *(station.free[0] for station in stations)])
    for station in stations:
        heapq.heapreplace(station.free, begin + seconds)
        station.busy += seconds
    return begin + seconds


class _Run:
    """One simulation. Trials are known by the number of their attempts so far."""

    def __init__(self, search: Search, costs: Overheads) -> None:
        self.search, self.costs = search, costs
        self.random = random.Random(search.seed)
        self.events: list[tuple[float, int, Callable[[float], None]]] = []
        self.number = 0
        self.manager, self.advisor = _Station(1), _Station(1)
        self.evaluators = _Station(search.evaluators or search.workers)
        self.evaluators.free = [search.loading] * len(self.evaluators.free)
        self.cores = None if search.cores is None else _Station(search.cores)
        self.proposed = search.candidates  # that are left to propose
        self.again: deque[int] = deque()
        self.waiting: deque[int] = deque()  # forms that the manager has got
        self.noticed: list[int] = []  # ended trials that it has not seen
        self.running = self.started = self.lost = 0
        self.unsettled = search.candidates  # without a result, and not given up
        self.ends: list[float] = []

    def outcome(self) -> Outcome:
        for _ in range(self.search.workers):
            self._request(0.0)
        self._at(0.0, self._look)
        while self.events:
            now, _, happens = heapq.heappop(self.events)
            happens(now)
        wall = self.ends[-1]
        stations = {"manager": self.manager, "advisor": self.advisor, "evaluators": self.evaluators}
        if self.cores is not None:
            stations["cores"] = self.cores
        busy = {name: station.share / wall for name, station in stations.items()}
        return Outcome(wall, self.started, self.lost, busy, tuple(self.ends))

    def _at(self, when: float, happens: Callable[[float], None]) -> None:
        self.number += 1
        heapq.heappush(self.events, (when, self.number, happens))

    def _here(self, station: _Station) -> list[_Station]:
        """What a process beside the trials needs."""
        return [station] if self.cores is None or not self.search.shared else [station, self.cores]

    def _look(self, now: float) -> None:
        """Of the manager: ended trials, then trials to start."""
        search, done = self.search, now
        for attempts in self.noticed:
            self._heard(done, attempts)
        self.running -= len(self.noticed)
        self.noticed.clear()
        while self.waiting and self.running < search.workers:
            seconds = self.costs.manage + self.costs.manage_known * self.started
            done = _serve(done, seconds, *self._here(self.manager))
            self.running += 1
            self.started += 1
            self._start(done, self.waiting.popleft())
        if self.unsettled:
            self._at(done + self.costs.poll, self._look)

    def _heard(self, now: float, attempts: int) -> None:
        """The advisor hears of an end, and of a worker that is idle."""
        failed = self.random.random() < self.search.failures
        if failed and attempts <= self.search.retries:
            self.again.append(attempts + 1)
        else:
            self.unsettled -= 1
            self.lost += failed
        self._request(now)

    def _request(self, now: float) -> None:
        if not self.again and not self.proposed:
            return
        if self.again:
            attempts = self.again.popleft()
        else:
            self.proposed -= 1
            attempts = 1
        done = _serve(now, self.costs.advise, *self._here(self.advisor))
        self._at(done, lambda when: self.waiting.append(attempts))

    def _start(self, now: float, attempts: int) -> None:
        self._at(self._process(now, self.costs.before), lambda when: self._ask(when, attempts))

    def _ask(self, now: float, attempts: int) -> None:
        spread = self.search.spread
        seconds = self.search.seconds * self.random.uniform(1 - spread, 1 + spread)
        self._at(_serve(now, seconds, self.evaluators), lambda when: self._report(when, attempts))

    def _report(self, now: float, attempts: int) -> None:
        self._at(self._process(now, self.costs.after), lambda when: self._end(when, attempts))

    def _end(self, now: float, attempts: int) -> None:
        self.ends.append(now)
        self.noticed.append(attempts)

    def _process(self, now: float, seconds: float) -> float:
        if self.cores is None:
            return now + seconds
        share = self.costs.computing
        return _serve(now, share * seconds, self.cores) + (1 - share) * seconds


def simulate(search: Search, costs: Overheads | None = None) -> Outcome:
    """Run a search on paper; the same arguments give the same outcome.

    Raises:
        ValueError: a number is out of its range.
    """
    costs = costs or Overheads()
    if search.candidates < 1 or search.workers < 1:
        raise ValueError(
            f"found {search.candidates} candidates, {search.workers} workers; allowed: 1 or more"
        )
    if not 0 <= search.failures < 1 or not 0 <= search.spread <= 1:
        raise ValueError(f"found failures {search.failures}, spread {search.spread}; allowed: 0 to 1")
    return _Run(search, costs).outcome()
