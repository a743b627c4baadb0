"""A disk that fails on purpose, under everything that `trionet_nni.files.atomic` writes.

    with Faults("*.ckpt", at=3, fault=errno.ENOSPC):
        ...

counts what is done to files of such names (`OPERATIONS`) and lets the one with number `at` fail: with an
error of the system, by losing bytes without a word ("short"), or by SIGKILL of the process ("kill").
"""

from __future__ import annotations

import builtins
import os
import signal
import tempfile
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from types import TracebackType
from typing import Any

from trionet_nni.files import atomic

OPERATIONS = ("mkstemp", "open", "write", "close", "fsync", "link", "replace")
Fault = int | str  # an errno, "short" or "kill"


class Faults:
    """See above.

    Args:
        pattern: of file names; a temporary file counts as the one that it becomes.
        at: number of the operation that fails, from 0; None only counts.
        fault: how.
        byte: of a write that fails, so many bytes arrive first; half of them when None.

    Attributes:
        done: operations so far, as (name, file).
    """

    def __init__(
        self, pattern: str, at: int | None = None, fault: Fault = 0, byte: int | None = None
    ) -> None:
        self.pattern, self.at, self.fault, self.byte = pattern, at, fault, byte
        self.done: list[tuple[str, str]] = []

    def __enter__(self) -> Faults:
        for name, stand_in in (("os", _Os(self)), ("tempfile", _Tempfile(self)), ("open", self._open)):
            setattr(atomic, name, stand_in)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        atomic.os, atomic.tempfile = os, tempfile  # type: ignore[attr-defined]
        del atomic.open  # type: ignore[attr-defined]

    def due(self, operation: str, path: str | Path) -> bool:
        """Count an operation; whether it is the one that goes wrong."""
        name = Path(path).name
        if name.startswith(".") and name.endswith(".tmp"):
            name = name[1:].rsplit(".", 2)[0]
        if not fnmatch(name, self.pattern):
            return False
        self.done.append((operation, name))
        return len(self.done) - 1 == self.at

    def strike(self, path: str | Path) -> None:
        """Go wrong, unless bytes are only lost."""
        if self.fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if isinstance(self.fault, int):
            raise OSError(self.fault, os.strerror(self.fault))

    def _open(self, path: Path, mode: str) -> _File:
        if self.due("open", path):
            self.strike(path)
        return _File(self, path, builtins.open(path, mode))  # noqa: PTH123


class _File:
    """A file that is written."""

    def __init__(self, faults: Faults, path: Path, file: Any) -> None:
        self._faults, self._path, self._file = faults, path, file

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        if self._faults.due("close", self._path):
            if self._faults.fault == "short":
                self._file.truncate(self._file.tell() // 2)
            self._file.close()
            self._faults.strike(self._path)
        self._file.close()

    def write(self, part: bytes | memoryview) -> None:
        if not self._faults.due("write", self._path):
            self._file.write(part)
            return
        first = len(part) // 2 if self._faults.byte is None else self._faults.byte
        self._file.write(part[:first])
        self._file.flush()
        self._faults.strike(self._path)


class _Os:
    """The module `os` with a disk that fails."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._names: dict[int, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Path, flags: int) -> int:
        handle = os.open(path, flags)
        self._names[handle] = str(path)
        return handle

    def fsync(self, handle: int) -> None:
        self._struck("fsync", self._names.get(handle, ""), lambda: os.fsync(handle))

    def replace(self, source: Path, target: Path) -> None:
        self._struck("replace", target, lambda: os.replace(source, target))  # noqa: PTH105

    def link(self, source: Path, target: Path) -> None:
        self._struck("link", target, lambda: os.link(source, target))

    def _struck(self, operation: str, path: str | Path, act: Callable[[], None]) -> None:
        if self._faults.due(operation, path):
            self._faults.strike(path)
        act()


class _Tempfile:
    """The module `tempfile` with a disk that fails."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def mkstemp(self, prefix: str, suffix: str, dir: Path) -> tuple[int, str]:
        if self._faults.due("mkstemp", f"{prefix}x{suffix}"):
            self._faults.strike(prefix)
        return tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=dir)


def killed(act: Callable[[], object], faults: Faults) -> bool:
    """Do something in a process of its own, a copy of this one; whether SIGKILL ended it."""
    child = os.fork()
    if child == 0:
        try:
            with faults:
                act()
            os._exit(0)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
