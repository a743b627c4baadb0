"""What a user is meant to read: errors and warnings of one line."""

from __future__ import annotations

import errno
import sys
import threading
from collections.abc import Iterable
from difflib import get_close_matches

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EROFS}
_LONGEST = 1000  # characters of a message


class InputError(ValueError):
    """Input from outside that cannot be used.

    The message is one line that names the file, the field, what was found and what is allowed.
    The command line prints it and ends with exit status 2.
    """

    def __init__(self, message: str) -> None:
        # A DataLoader's worker hands on its whole traceback as the message: the last line is the message.
        super().__init__(_one_line(message.rsplit("InputError: ", 1)[-1].strip()))


class RunFailed(RuntimeError):
    """A run that cannot go on by itself, through no mistake of the program; the message is one line."""

    def __init__(self, message: str) -> None:
        super().__init__(_one_line(message))


def is_disk_failure(error: OSError) -> bool:
    """Whether the disk is full or broken, rather than a name or a permission wrong."""
    return error.errno in _DISK


def disk_line(error: OSError) -> str:
    """What a full or broken disk means for a run: file, reason, what to do."""
    return _one_line(
        f"{error.filename or 'a file'}: could not be written or read ({error.strerror or error}); what was "
        "written before is kept: make room or mend the disk, then the same command goes on from there"
    )


def failure_line(error: BaseException) -> str | None:
    """The one line about what ended a run with exit status 1; None where it is no such failure."""
    if isinstance(error, RunFailed):
        return str(error)
    return disk_line(error) if isinstance(error, OSError) and is_disk_failure(error) else None


def quiet_writers() -> None:
    """Keep a full disk one line long; for processes, not for library functions.

    TensorBoard writes in a thread of its own, passes what fails there on to the next one who logs, and has
    Python print the thread's traceback besides.
    """
    usual = threading.excepthook

    def hook(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is None or failure_line(arguments.exc_value) is None:
            usual(arguments)

    threading.excepthook = hook


def say(line: str) -> None:
    """One line of warning on standard error."""
    print(f"warning: {_one_line(line)}", file=sys.stderr, flush=True)


def shown(value: object, longest: int = 80) -> str:
    """A value from outside as a message shows it, whatever it is."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits; lists in lists in lists …
        text = f"a very large {type(value).__name__}"
    return text if len(text) <= longest else text[:longest] + "…"


def nearest(name: str, names: Iterable[str]) -> str:
    """How a message about a wrong name ends: with the good one that is nearest, if any is near."""
    found = get_close_matches(name.lower(), list(names), n=1)
    return f"; the nearest is {found[0]}" if found else ""


def _one_line(message: str) -> str:
    """Names of files and fields may hold line breaks, and what moves a terminal's cursor."""
    text = message if len(message) <= _LONGEST else message[:_LONGEST] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
