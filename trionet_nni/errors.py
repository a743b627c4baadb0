"""The one exception a user is meant to read."""

from __future__ import annotations

_LONGEST = 1000  # characters of a message


class InputError(ValueError):
    """Input from outside that cannot be used.

    The message is one line that names the file, the field, what was found and what is allowed.
    The command line prints it and ends with exit status 2.
    """

    def __init__(self, message: str) -> None:
        # A DataLoader's worker hands on its whole traceback as the message: the last line is the message.
        super().__init__(_one_line(message.rsplit("InputError: ", 1)[-1].strip()))


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
