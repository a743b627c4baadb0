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
from trionet_nni.nnictl.candidate.awake import Awake

_GRACE_SECONDS = 5.0
_LOOK_SECONDS = 1.0
_LONGEST_LOOK = 10.0  # on a busy machine
_ERRORS = 2  # standard error, whatever Python has in its place


def message(seconds: float) -> str:
    """What is said of a candidate that was ended."""
    return f"no result within {seconds:g} s (search.time_limit)"


@dataclass(frozen=True)
class _Work:
    """What an evaluator does, for which trial ("": for all), since when on this machine's own clock."""

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
        self._asked, self._awake = time.monotonic(), Awake(_LONGEST_LOOK)
        self._work: _Work | None = None
        self._begin = self._looked = 0.0  # awake seconds: when the work began, and at the last look

    def look(self) -> bool:
        """End the evaluator if it takes too long; whether it was at work for this trial, or for all."""
        work = _read(self._at)
        if work is None:
            return False
        if self._took(work) <= self._seconds or not _lives(self._at):
            return False
        with suppress(ProcessLookupError):
            os.kill(work.process, signal.SIGKILL)
        return work.trial in ("", self._trial)

    def _took(self, work: _Work) -> float:
        """Seconds so far; while this process was stopped, so was what it waits for."""
        if work != self._work:
            since = max(work.since, self._asked) if work.idle else work.since
            self._work, self._begin = work, self._looked - max(0.0, self._asked - since)
        self._looked = self._awake.seconds()
        return self._looked - self._begin


def begin(at: EvaluatorFiles, trial: str = "") -> None:
    """This evaluator begins to work for a trial, or, without one, to load what all need."""
    _note(at, trial, idle=False)


def end(at: EvaluatorFiles) -> None:
    """This evaluator is idle: no time of any candidate runs."""
    _note(at, "", idle=True)


def _note(at: EvaluatorFiles, trial: str, *, idle: bool) -> None:
    work = {"process": os.getpid(), "trial": trial, "idle": idle, "since": time.monotonic()}
    with suppress(OSError):  # of a full disk the result's own file tells
        at.began.write_text(json.dumps(work))


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End this process, with a message, if what is inside takes longer."""
    over = threading.Event()
    thread = threading.Thread(target=_keep_time, args=(seconds, over), name="time limit", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        faulthandler.cancel_dump_traceback_later()


def _keep_time(seconds: float, over: threading.Event) -> None:
    """End this process when it has run for so long."""
    awake = Awake(_LONGEST_LOOK)
    while (left := seconds - awake.seconds()) > 0:
        # Where the interpreter itself is held up, this thread does not run; faulthandler's does.
        faulthandler.dump_traceback_later(seconds + _GRACE_SECONDS, exit=True, file=_ERRORS)
        if over.wait(min(left, _LOOK_SECONDS)):
            return
    os.write(_ERRORS, f"error: {message(seconds)}\n".encode())
    os._exit(1)


def _read(at: EvaluatorFiles) -> _Work | None:
    try:
        said = json.loads(at.began.read_text())
        return _Work(float(said["since"]), int(said["process"]), str(said["trial"]), bool(said["idle"]))
    except (OSError, ValueError, KeyError, TypeError):  # it has not come so far, or is writing
        return None


def _lives(at: EvaluatorFiles) -> bool:
    free = try_lock(at.alive)
    if free is not None:
        free.close()
    return free is None
