"""Text and JSON from files that anybody may have written. Standard library only."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from trionet_nni.errors import InputError, shown

_LOG_END = 4096  # bytes of a log that its last line is looked for in
_MAX_BYTES = 16_000_000  # a card with every class of ImageNet-21k has 1 MB


def read_text(path: Path, allowed: str, max_bytes: int = _MAX_BYTES) -> str:
    """A text file in UTF-8.

    Args:
        allowed: what the file should be, for the message.

    Raises:
        InputError: it cannot be read, is too large, or is no text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)  # never more, also of /dev/zero
        if len(data) > max_bytes:
            raise InputError(f"{path}: found more than {max_bytes:,} bytes, allowed: {allowed}")
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: found binary data or no UTF-8, allowed: {allowed}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read ({reason(error)}), allowed: {allowed}") from None


def last_line(text: str, otherwise: str) -> str:
    """The last line of a log that says something, at most 500 characters of it.

    Args:
        otherwise: what to say of a log without one.
    """
    lines = (line.strip() for line in reversed(text.splitlines()))
    return next((line[:500] for line in lines if line), otherwise)


def last_line_of(log: Path, otherwise: str) -> str:
    """The last line of a log file; only its end is read. One that is not there says nothing.

    Args:
        otherwise: what to say of a log without one.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_END))
            text = file.read().decode(errors="replace")
    except OSError:
        text = ""
    return last_line(text, otherwise)


def read_json(path: Path, allowed: str, max_bytes: int = _MAX_BYTES) -> Any:
    """A JSON document; see `parse_json`.

    Raises:
        InputError: it cannot be read, or is no JSON.
    """
    try:
        return parse_json(read_text(path, allowed, max_bytes))
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path}: found no readable JSON ({error}), allowed: {allowed}") from None


def parse_json(text: str | bytes) -> Any:
    """One JSON document, in which no object has a name twice.

    Raises:
        ValueError: it is none.
    """
    try:
        return json.loads(text, object_pairs_hook=_each_once)
    except RecursionError:
        raise ValueError("lists or objects nested too deeply") from None


def reason(error: Exception) -> str:
    """Why something could not be read, in a few words."""
    return " ".join(str(getattr(error, "strerror", None) or error).split())[:120] or type(error).__name__


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise ValueError(f"{shown(twice)} stands there twice")
    return found


def read_object(path: Path, allowed: str) -> dict[str, Any]:
    """A JSON object.

    Args:
        allowed: what the file should be, for the message.

    Raises:
        InputError: it cannot be read, or is no object.
    """
    data = read_json(path, allowed)
    if not isinstance(data, dict):
        raise InputError(f"{path}: found {type(data).__name__}, allowed: {allowed}")
    return data
