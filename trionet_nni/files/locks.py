"""Locks that end with the process that holds them, however it ends. Standard library only."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_PAUSE_SECONDS = 0.05


def try_lock(path: Path, *, shared: bool = False) -> IO[str] | None:
    """Take the lock of a file: it is held until the returned file is closed. None: another one has it.

    Args:
        shared: with others that share it; who wants it alone has to wait for all of them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a")
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def lock(
    path: Path,
    seconds: float | None = None,
    waiting: Callable[[], None] | None = None,
    *,
    shared: bool = False,
) -> IO[str]:
    """Take the lock of a file, and wait for it where that is necessary.

    Args:
        seconds: how long; None waits for ever.
        waiting: called once when it has to wait.
        shared: as for `try_lock`.

    Raises:
        TimeoutError: another process has held it all the time.
    """
    give_up = None if seconds is None else time.monotonic() + seconds
    while (file := try_lock(path, shared=shared)) is None:
        if waiting is not None:
            waiting()
            waiting = None
        if give_up is not None and time.monotonic() > give_up:
            raise TimeoutError(f"{path}: another process has held it for {seconds:g} s")
        time.sleep(_PAUSE_SECONDS)
    return file


def wait_until_free(path: Path) -> None:
    """Return when nobody holds the lock of a file (any more); it is not held afterwards.

    Raises:
        OSError: there is no such file.
    """
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)


@contextmanager
def locked_key(path: Path, key: str) -> Iterator[None]:
    """Hold one of very many locks of one file: that of the byte whose number is `key`, in hexadecimal.

    A lock file for each of thousands of candidates could never be removed safely. These locks exclude
    processes, not threads of one process.
    """
    offset = int(key[:15], 16)  # a file's offsets have 63 bits
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.lockf(file, fcntl.LOCK_EX, 1, offset)
        yield
