"""Trials that failed: why, on file, and how many of the latest."""

from __future__ import annotations

import json
import logging
import time
from collections import deque
from dataclasses import asdict, dataclass

from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.files.text import last_line, last_line_of
from trionet_nni.nnictl.manager.rest import Manager

_log = logging.getLogger("trionet_nni.failures")
LOST = "SYS_CANCELED"  # NNI's status of a trial whose host is gone, see hosts.cjs
_LATEST = 20
_MANY = _LATEST // 2  # more than these of the latest end the search
_NO_LOG = ("stderr is empty.", "NNI internal error.")  # NNI's words where it has none
_WITHOUT_MESSAGE = {
    "SUCCEEDED": "it ended without a result",
    "USER_CANCELED": "it was killed, or cancelled by a user",
    "SYS_CANCELED": "it was cancelled by NNI",
    "EARLY_STOPPED": "it was ended: search.time_limit, or NNI's maxTrialDuration",
}


@dataclass(frozen=True)
class Failure:
    """One trial that left no result.

    Attributes:
        hash: of the architecture; None for a trial that a user added by hand.
        attempt: 1 for the candidate's first trial.
        event: how NNI says that it ended.
    """

    trial: str
    hash: str | None
    attempt: int
    event: str
    reason: str


class Failures:
    """The failed trials of one experiment; `<experiment>/trionet/failures.jsonl` has one a line.

    Args:
        manager: gets the logs of trials on other machines; None where all run on this one.
    """

    def __init__(self, folder: ExperimentFolder, manager: Manager | None = None) -> None:
        self._folder, self._manager = folder, manager
        self._latest: deque[str | None] = deque(maxlen=_LATEST)  # reason; None: the trial had a result

    def reason(self, trial: str, event: str, reported: str = "") -> str:
        """Why a trial failed.

        Args:
            reported: what it reported instead of a finite number.
        """
        if reported:
            return f"it reported {reported}, allowed: a finite number"
        otherwise = _WITHOUT_MESSAGE.get(event, "it left no message")
        if self._manager is not None:
            return _log_of(self._manager, trial, otherwise)
        return last_line_of(self._folder.trial_file(trial, "trial.stderr"), otherwise)

    def succeeded(self) -> None:
        """A candidate's trial has a result."""
        self._latest.append(None)

    def add(self, failure: Failure) -> None:
        """Note a failed trial; those of candidates count."""
        _log.warning("trial %s of %s failed: %s", failure.trial, failure.hash, failure.reason)
        if failure.hash is not None:
            self._latest.append(failure.reason)
        self._write(failure)

    def lost(self, trial: str, architecture_hash: str, attempt: int) -> None:
        """Note a trial whose host is gone. It is on file, and does not count: many go at once."""
        _log.warning("trial %s of %s is lost with its host", trial, architecture_hash)
        self._write(Failure(trial, architecture_hash, attempt, LOST, "its host was lost"))

    def _write(self, failure: Failure) -> None:
        line = {"time": round(time.time(), 3), **asdict(failure)}
        try:
            self._folder.home.mkdir(parents=True, exist_ok=True)
            with self._folder.failures.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        except OSError as error:  # a full disk; the log has it
            _log.warning("%s: %s", self._folder.failures, error)

    def too_many(self) -> str | None:
        """What ends the search, once more than half of the latest trials have failed."""
        reasons = [reason for reason in self._latest if reason is not None]
        if len(reasons) <= _MANY:
            return None
        return f"{len(reasons)} of the last {len(self._latest)} trials failed; the last one: {reasons[-1]}"


def _log_of(manager: Manager, trial: str, otherwise: str) -> str:
    """The last line of a trial's log, which NNI fetches from where it ran."""
    try:
        text = manager.text(f"/trial-file/{trial}/stderr")
    except OSError:
        return otherwise
    return otherwise if text.startswith(_NO_LOG) else last_line(text, otherwise)
