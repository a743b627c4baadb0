"""Settings changed on the command line: `--set search.population=50`, validated like the file itself."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trionet_nni.errors import InputError, shown
from trionet_nni.files.yaml import read_value

OPTION = "--set"


@dataclass(frozen=True)
class Change:
    """One setting with another value.

    Attributes:
        path: keys from the outermost section to the field.
        value: as YAML would have read it.
    """

    path: tuple[str, ...]
    value: Any

    def __str__(self) -> str:
        value = self.value if isinstance(self.value, str) else json.dumps(self.value, default=str)
        return f"{'.'.join(self.path)}={value}"


def parse_changes(texts: Sequence[str]) -> tuple[Change, ...]:
    """What was given to `--set`, once for each change.

    Raises:
        InputError: one is no `section.field=value`.
    """
    return tuple(_parse(text) for text in texts)


def _parse(text: str) -> Change:
    name, equals, value = text.partition("=")
    path = tuple(name.split("."))
    if not equals or not all(part.isidentifier() for part in path):
        allowed = "section.field=value, e.g. search.population=50"
        raise InputError(f"{OPTION}: found {shown(text)}, allowed: {allowed}")
    return Change(path, read_value(value, f"{OPTION} {shown(text)}"))


def changed(document: dict[str, Any], changes: Sequence[Change]) -> dict[str, Any]:
    """A copy of settings with the changes made, sections added where there are none.

    Raises:
        InputError: a change goes into something that is no section.
    """
    document = copy.deepcopy(document)
    for change in changes:
        section = document
        for key in change.path[:-1]:
            inner = section.setdefault(key, {})
            if not isinstance(inner, dict):
                found = f"{key}, which is {shown(inner)}"
                raise InputError(f"{OPTION} {change}: found {found}, allowed: a section's field")
            section = inner
        section[change.path[-1]] = change.value
    return document


def source(path: Path | str, changes: Sequence[Change]) -> str:
    """What messages about a file begin with: its name, and the options that changed it."""
    return " ".join([str(path), *(["with"] if changes else []), *(f"{OPTION} {one}" for one in changes)])


@contextmanager
def naming(path: Path | str, changes: Sequence[Change]) -> Iterator[None]:
    """Have an error about a file name the options that changed it, too.

    Raises:
        InputError: whatever was raised inside, with the options.
    """
    try:
        yield
    except InputError as error:
        message, name = str(error), source(path, changes)
        if not changes or message.startswith((name, OPTION)):
            raise
        raise InputError(f"{name}: {message.removeprefix(f'{path}: ')}") from None
