"""Trials that hang themselves, before or after they ask an evaluator: NNI is told to end them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from trionet_nni.errors import InputError
from trionet_nni.nnictl.candidate.awake import Ages, Awake
from trionet_nni.nnictl.candidate.job import finalist_parameters, is_supernet
from trionet_nni.nnictl.candidate.silence import CHECKPOINT_SECONDS
from trionet_nni.nnictl.manager.rest import Manager

_log = logging.getLogger("trionet_nni.deadline")
_MARGIN_SECONDS = 60.0  # to start, to wait for an evaluator's start, to report
_SHARE = 0.1  # of the limit: how often is looked


class Deadline(threading.Thread):
    """Ends trials that have run for too long.

    An evaluator that hangs is ended by the trial that asked it, at `search.time_limit`. This is for what
    remains, and so it is generous: several trials may take turns at one evaluator.

    Args:
        seconds: `search.time_limit`.
        end: has NNI end a trial, by its id.

    Attributes:
        sign: when the training of a finalist, by its parameters, last left a sign of life. It may take
            longer than a candidate; what is limited is how long it is silent.
    """

    def __init__(self, manager: Manager, seconds: float, end: Callable[[str], None]) -> None:
        super().__init__(name="deadline", daemon=True)
        self._manager, self._seconds, self._end = manager, seconds, end
        self._pause = max(1.0, _SHARE * seconds)
        self.sign: Callable[[dict[str, Any]], float] = lambda parameters: 0.0

    def run(self) -> None:
        """Look now and then, as long as this process lives."""
        ages = Ages(Awake(2 * self._pause + _MARGIN_SECONDS))
        while True:
            time.sleep(self._pause)
            try:
                concurrency = int(self._manager.profile()["params"]["trialConcurrency"])
                jobs, seconds = self._manager.jobs(), (1 + concurrency) * self._seconds + _MARGIN_SECONDS
                late = overdue(jobs, seconds, ages)
                late += silent(jobs, seconds + CHECKPOINT_SECONDS, ages, self.sign)
            except (OSError, ValueError, KeyError, TypeError):
                continue
            for trial in late:
                _log.warning("trial %s does not end (search.time_limit: %g s)", trial, self._seconds)
                self._end(trial)


def overdue(jobs: list[dict[str, Any]], seconds: float, ages: Ages) -> list[str]:
    """Ids of the candidates' trials that have run for longer than this, as far as was seen."""
    running = [job for job in jobs if _is_candidate(job) and job.get("startTime")]
    return [job["trialJobId"] for job in running if ages.of(job["trialJobId"], job["startTime"]) > seconds]


def silent(
    jobs: list[dict[str, Any]], seconds: float, ages: Ages, sign: Callable[[dict[str, Any]], float]
) -> list[str]:
    """Ids of the finalists' trials that have left no sign of life for longer than this."""
    found = []
    for job in jobs:
        parameters = finalist_parameters(_text(job))
        if job.get("status") == "RUNNING" and parameters is not None and job.get("startTime"):
            with suppress(InputError):  # added by hand, and refused by the trial itself
                signs = job["startTime"], sign(parameters)
                if ages.of(job["trialJobId"], signs) > seconds:
                    found.append(job["trialJobId"])
    return found


def _is_candidate(job: dict[str, Any]) -> bool:
    text = _text(job)
    mine = not is_supernet(text) and finalist_parameters(text) is None
    return job.get("status") == "RUNNING" and mine


def _text(job: dict[str, Any]) -> object:
    return (job.get("hyperParameters") or [""])[0]
