"""Trials that hang themselves, before or after they ask an evaluator: NNI is told to end them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from trionet_nni.nnictl.candidate.job import is_supernet
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
    """

    def __init__(self, manager: Manager, seconds: float, end: Callable[[str], None]) -> None:
        super().__init__(name="deadline", daemon=True)
        self._manager, self._seconds, self._end = manager, seconds, end

    def run(self) -> None:
        """Look now and then, as long as this process lives."""
        while True:
            time.sleep(max(1.0, _SHARE * self._seconds))
            try:
                concurrency = int(self._manager.profile()["params"]["trialConcurrency"])
                late = overdue(self._manager.jobs(), (1 + concurrency) * self._seconds + _MARGIN_SECONDS)
            except (OSError, ValueError, KeyError):
                continue
            for trial in late:
                _log.warning("trial %s does not end (search.time_limit: %g s)", trial, self._seconds)
                self._end(trial)


def overdue(jobs: list[dict[str, Any]], seconds: float) -> list[str]:
    """Ids of the candidates' trials that have run for longer than this."""
    started = {job["trialJobId"]: job.get("startTime") for job in jobs if _is_candidate(job)}
    now = time.time()
    return [trial for trial, began in started.items() if began and now - float(began) / 1000 > seconds]


def _is_candidate(job: dict[str, Any]) -> bool:
    texts = job.get("hyperParameters") or [""]
    return job.get("status") == "RUNNING" and not is_supernet(texts[0])
