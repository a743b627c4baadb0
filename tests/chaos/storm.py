"""Killing processes at random times, and waiting until the search goes on."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import psutil

from tests.chaos.experiment import PROCESSES, Experiment
from trionet_nni.finalists.halving import trials

_POLL_SECONDS = 0.2
_PATIENCE_SECONDS = 900.0  # without a further evaluation
Say = Callable[[str], None]


class Stuck(RuntimeError):
    """The search does not go on."""


class Storm:
    """One search with kills; `kills=0` is the undisturbed one.

    Attributes:
        seen: when each evaluation was first seen finished.
        killed: what was killed, in order.
    """

    def __init__(
        self,
        experiment: Experiment,
        candidates: int,
        kills: int,
        seed: int,
        say: Say,
        seconds: float = float("inf"),
    ) -> None:
        self._experiment, self._say = experiment, say
        self._random = random.Random(seed)
        last = max(1, candidates - 4)
        # Finalists are few: kills of every second training, since two may end before a kill is told.
        trainings = range(0, trials(experiment.ladder) - 1, 2)
        late = min(kills // 5, len(trainings))
        first = [self._random.uniform(0, last) for _ in range(kills - late)]
        self._plan = sorted(first + [candidates + one for one in self._random.sample(trainings, late)])
        self.seen: dict[str, float] = {}
        self.killed: list[str] = []
        self._began = time.monotonic()
        self._calm = self._began + seconds  # no kill afterwards

    def run(self) -> float:
        """From the first start to the end; seconds.

        Raises:
            Stuck: no evaluation was finished for a long time.
        """
        self._experiment.start()
        if self._plan:
            self._wait(lambda: bool(self._supernet_trials()))
            time.sleep(self._random.uniform(0.5, 2.5))
            self._kill("trial", "supernet training")
            self._plan.pop(0)
        for done in self._plan:
            if time.monotonic() > self._calm:
                break
            self._wait(lambda done=done: len(self.seen) >= done)  # type: ignore[misc]
            time.sleep(self._random.uniform(0, 2.5))
            self._kill(self._choose())
        self._wait(lambda: False)
        return time.monotonic() - self._began

    def _supernet_trials(self) -> list[psutil.Process]:
        log = self._experiment.log
        return self._experiment.processes("trial") if log.exists() and not self.seen else []

    def _choose(self) -> str:
        """A kind of process that lives now; the seed decides in which order they are looked for."""
        order = self._random.sample(PROCESSES, len(PROCESSES))
        for kind in self._repeatedly(order):
            if self._experiment.processes(kind):
                return kind
        raise AssertionError

    def _repeatedly(self, order: list[str]) -> Iterator[str]:
        end = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < end:
            for kind in order:
                for _ in range(5):  # trials are there for a second only
                    yield kind
                    time.sleep(0.05)
            self._look()
        raise Stuck("no process of the search is left")

    def _kill(self, kind: str, name: str | None = None) -> None:
        victims = self._experiment.processes(kind)
        self._look(self._experiment.finished())
        with suppress(psutil.NoSuchProcess):
            if victims:
                self._random.choice(victims).kill()
        self.killed.append(name or kind)
        at, before = time.monotonic(), len(self.seen)
        self._wait(lambda: len(self.seen) > before)
        self._say(
            f"{len(self.killed):4}  {at - self._began:7.1f} s  {name or kind:<18} {before:4} finished, "
            f"going on after {time.monotonic() - at:5.1f} s"
        )

    def _wait(self, condition: Callable[[], bool]) -> None:
        """Until the condition holds or the search is over; the command is started again where it ended."""
        latest, count = time.monotonic(), len(self.seen)
        while not condition():
            if self._experiment.keep_running():
                return
            self._look()
            if len(self.seen) > count:
                latest, count = time.monotonic(), len(self.seen)
            if time.monotonic() - latest > _PATIENCE_SECONDS:
                raise Stuck(f"no evaluation in {_PATIENCE_SECONDS:g} s; {len(self.seen)} are finished")
            time.sleep(_POLL_SECONDS)

    def _look(self, finished: set[str] | None = None) -> None:
        for name in self._experiment.stored() if finished is None else finished:
            self.seen.setdefault(name, time.monotonic())
