"""What a user is meant to read: errors and warnings of one line."""

from __future__ import annotations

import errno
import sys

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


def is_disk_failure(error: OSError) -> bool:
    """Whether the disk is full or broken, rather than a name or a permission wrong."""
    return error.errno in _DISK


def disk_line(error: OSError) -> str:
    """What a full or broken disk means for a run: file, reason, what to do."""
    return _one_line(
        f"{error.filename or 'a file'}: could not be written or read ({error.strerror or error}); what was "
        "written before is kept: make room or mend the disk, then the same command goes on from there"
    )


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


def _one_line(message: str) -> str:
    """Names of files and fields may hold line breaks, and what moves a terminal's cursor."""
    text = message if len(message) <= _LONGEST else message[:_LONGEST] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
