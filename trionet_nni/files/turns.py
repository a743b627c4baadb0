"""Processes that want to write into one folder take turns; one that waits says so."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from trionet_nni.files.locks import lock


@contextmanager
def alone_in(folder: Path, what: str) -> Iterator[None]:
    """Let no other process do the same in a folder meanwhile; where one does, wait for it.

    Args:
        what: another process does, for the line that says that this one waits: "trains".
    """
    with lock(lock_beside(folder, what), waiting=partial(_say_that_it_waits, folder, what)):
        yield


def lock_beside(folder: Path, what: str) -> Path:
    """A hidden file beside a folder, which stays where it is when the folder gets another name.

    Inside of it where nobody may write beside it. It holds nothing and is never removed: who waits for it
    would wait for another file than who comes later.
    """
    folder, name = folder.absolute(), what.replace(" ", "-")
    place = next(parent for parent in folder.parents if parent.exists())
    if os.access(place, os.W_OK):
        return folder.with_name(f".{folder.name}.{name}.lock")
    return folder / f".{name}.lock"


def _say_that_it_waits(folder: Path, what: str) -> None:
    print(f"{folder}: another process {what} there: waiting for it", file=sys.stderr, flush=True)
