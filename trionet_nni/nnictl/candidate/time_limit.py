"""The time that a candidate has. Standard library only: a trial watches the evaluator that it asked."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from trionet_nni.files.locks import try_lock
from trionet_nni.nnictl.candidate.address import EvaluatorFiles

_GRACE_SECONDS = 5.0
_ERRORS = 2  # standard error, whatever Python has in its place


def message(seconds: float) -> str:
    """What is said of a candidate that was ended."""
    return f"no result within {seconds:g} s (search.time_limit)"


@dataclass(frozen=True)
class _Work:
    """What an evaluator does, for which trial ("": for all), since when."""

    since: float
    process: int
    trial: str
    idle: bool


class EvaluatorWatch:
    """Ends an evaluator that hangs, from outside: whatever it hangs in, and also if it was stopped.

    An evaluator writes down what it begins, see `begin` and `end`. Several trials may wait for one
    evaluator, and any of them ends it; the time of each candidate counts from its own beginning.

    Args:
        trial: that waits.
        seconds: for a candidate, and for loading what all candidates need.
    """

    def __init__(self, at: EvaluatorFiles, trial: str, seconds: float) -> None:
        self._at, self._trial, self._seconds = at, trial, seconds
        self._asked = time.time()

    def look(self) -> bool:
        """End the evaluator if it takes too long; whether it was at work for this trial, or for all."""
        work = _read(self._at)
        if work is None:
            return False
        since = max(work.since, self._asked) if work.idle else work.since
        if time.time() - since <= self._seconds or not _lives(self._at):
            return False
        with suppress(ProcessLookupError):
            os.kill(work.process, signal.SIGKILL)
        return work.trial in ("", self._trial)


def begin(at: EvaluatorFiles, trial: str = "") -> None:
    """This evaluator begins to work for a trial, or, without one, to load what all need."""
    _note(at, trial, idle=False)


def end(at: EvaluatorFiles) -> None:
    """This evaluator is idle: no time of any candidate runs."""
    _note(at, "", idle=True)


def _note(at: EvaluatorFiles, trial: str, *, idle: bool) -> None:
    with suppress(OSError):  # of a full disk the result's own file tells
        at.began.write_text(json.dumps({"process": os.getpid(), "trial": trial, "idle": idle}))


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End this process, with a message, if what is inside takes longer."""
    timer = threading.Timer(seconds, _expire, (seconds,))
    timer.daemon = True
    timer.start()
    # Where the interpreter itself is held up, the timer's thread does not run; this one does.
    faulthandler.dump_traceback_later(seconds + _GRACE_SECONDS, exit=True, file=_ERRORS)
    try:
        yield
    finally:
        timer.cancel()
        faulthandler.cancel_dump_traceback_later()


def _expire(seconds: float) -> None:
    os.write(_ERRORS, f"error: {message(seconds)}\n".encode())
    os._exit(1)


def _read(at: EvaluatorFiles) -> _Work | None:
    try:
        said = json.loads(at.began.read_text())
        return _Work(at.began.stat().st_mtime, int(said["process"]), str(said["trial"]), bool(said["idle"]))
    except (OSError, ValueError, KeyError, TypeError):  # it has not come so far, or is writing
        return None


def _lives(at: EvaluatorFiles) -> bool:
    free = try_lock(at.alive)
    if free is not None:
        free.close()
    return free is None
