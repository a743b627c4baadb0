"""The trials of a running experiment, as its manager lists them, without keeping it from its work."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from trionet_nni.files.text import parse_json
from trionet_nni.nnictl.candidate.job import FINALIST, SUPERNET
from trionet_nni.nnictl.manager.rest import Manager

Kind = Literal["supernet", "candidate", "finalist"]
_SHARE = 0.05  # of the manager's time, at most
_FAILED = {"FAILED", "USER_CANCELED", "SYS_CANCELED", "EARLY_STOPPED"}


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        status: NNI's.
        started: milliseconds since the epoch; None before.
        reported: whether NNI has its final result.
    """

    id: str
    kind: Kind
    status: str
    started: float | None
    reported: bool

    @property
    def open(self) -> bool:
        """Whether it waits or runs."""
        return self.status in ("WAITING", "RUNNING")

    @property
    def failed(self) -> bool:
        """Whether it ended without success."""
        return self.status in _FAILED


class TrialsWatch:
    """Asks for the list again and again.

    For each answer the manager replays its whole database, in its only thread: with thousands of trials a
    list every second would slow the search down. So it is asked for when twenty times as long has passed as
    the last answer took.
    """

    def __init__(self, manager: Manager, clock: Callable[[], float] = time.monotonic) -> None:
        self._manager, self._clock = manager, clock
        self._trials: list[Trial] = []
        self._due = -1.0
        self._kinds: dict[str, Kind] = {}  # a trial's parameters never change

    def look(self, *, at_once: bool = False) -> list[Trial]:
        """The latest list.

        Args:
            at_once: ask now, whatever that costs the manager.

        Raises:
            OSError: the manager does not answer.
        """
        asked = self._clock()
        if at_once or asked >= self._due:
            self._trials = [self._read(job) for job in self._manager.jobs()]
            answered = self._clock()
            self._due = asked + (answered - asked) / _SHARE
        return self._trials

    def _read(self, job: dict[str, Any]) -> Trial:
        started = job.get("startTime")
        return Trial(
            str(job.get("trialJobId")),
            self._kind(job),
            str(job["status"]),
            float(started) if started else None,
            bool(job.get("finalMetricData")),
        )

    def _kind(self, job: dict[str, Any]) -> Kind:
        name, texts = str(job.get("trialJobId")), job.get("hyperParameters")
        if not texts:
            return "candidate"
        if name not in self._kinds:
            self._kinds[name] = _kind_of(texts[0])
        return self._kinds[name]


def _kind_of(text: str) -> Kind:
    """By its record; a user may have added a trial with something that is no object."""
    try:
        record = parse_json(text)
    except ValueError:
        return "candidate"
    parameters = record.get("parameters") if isinstance(record, dict) else None
    if parameters == SUPERNET:
        return "supernet"
    is_finalist = isinstance(parameters, dict) and parameters.get("stage") == FINALIST
    return "finalist" if is_finalist else "candidate"
