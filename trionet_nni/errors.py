"""The one exception a user is meant to read."""

from __future__ import annotations


class InputError(ValueError):
    """Input from outside that cannot be used.

    The message is one line that names the file, the field, what was found and what is allowed.
    The command line prints it and ends with exit status 2.
    """

    def __init__(self, message: str) -> None:
        # A DataLoader's worker hands on its whole traceback as the message: the last line is the message.
        super().__init__(message.rsplit("InputError: ", 1)[-1].strip())
