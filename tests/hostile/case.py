"""One hostile input: its class, how it is made, what meets it, and the line it must get."""

from __future__ import annotations

import contextlib
import io
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from trionet_nni.errors import InputError

CANARY = "canary"  # what every payload tries to write into the case's folder

Run = Callable[[Path], int | None]


class Accepted(BaseException):
    """An experiment was about to be started: nothing had been found wrong with it."""


@dataclass(frozen=True)
class Case:
    """An input and what must become of it.

    Attributes:
        kind: its class.
        name: what is wrong with it.
        meets: the command or function that meets it.
        run: makes it in an empty folder and hands it over; returns the command's status.
        line: regular expression of the one line it must get; see `says`.
        usable: instead: what is done with it. A line is then a warning that must be given too.
    """

    kind: str
    name: str
    meets: str
    run: Run
    line: str = ""
    usable: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Attributes:
        verdict: one of `VERDICTS`.
        told: what it said.
    """

    verdict: str
    told: str
    seconds: float


REFUSED, USABLE = "refused with the right line", "usable as documented"
TRACEBACK, OTHER, ACCEPTED = "traceback", "another line", "accepted wrongly"
VERDICTS = (REFUSED, USABLE, TRACEBACK, OTHER, ACCEPTED)


def outcome(case: Case, folder: Path) -> Outcome:
    """Run a case in an empty folder."""
    started, path = time.perf_counter(), list(sys.path)
    out, err = io.StringIO(), io.StringIO()
    try:
        with _nothing_starts(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = case.run(folder)
        told = err.getvalue()
    except InputError as error:  # a function's: the command line would print it
        status, told = 2, err.getvalue() + f"{error}\n"
    except Accepted:
        status, told = 0, err.getvalue() or "nothing was found wrong"
    except BaseException:
        status, told = -1, traceback.format_exc()
    finally:
        sys.path[:] = path
    verdict = _verdict(case, status, told)
    if (folder / CANARY).exists():
        verdict, told = ACCEPTED, f"its payload was executed\n{told}"
    return Outcome(verdict, told, time.perf_counter() - started)


def says(*parts: str) -> str:
    """A line that has these parts, in this order."""
    return ".*".join(map(re.escape, parts))


def _verdict(case: Case, status: int | None, told: str) -> str:
    if status == -1 or "Traceback" in told:
        return TRACEBACK
    if case.usable:
        return OTHER if status or not re.search(case.line, told) else USABLE
    if status != 2:
        return ACCEPTED
    whole = "allowed: " in told and ("found " in told or "cannot be read" in told)
    lines = [line for line in told.splitlines() if not line.startswith("warning: ")]
    one_line = len(lines) == 1 and len(told) < 1500 and lines[0].isprintable()
    return REFUSED if whole and one_line and re.search(case.line, told) else OTHER


@contextlib.contextmanager
def _nothing_starts() -> Iterator[None]:
    """Instead of starting nnictl, say that nothing was found wrong."""

    def accept(*_: object, **__: object) -> None:
        raise Accepted

    with patch("trionet_nni.nnictl.terminal.launch.create", accept):
        yield
