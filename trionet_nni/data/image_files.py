"""Very many image files, held in a few arrays: some 100 bytes a file, which forked workers share."""

from __future__ import annotations

import errno
import hashlib
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from trionet_nni.errors import InputError

_BLOCK = 512  # files that a thread asks for at a time
_WAVE = 4  # blocks of a thread that are under way
_THREADS = 8  # a file system across a network answers many at once; the interpreter is left alone meanwhile
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP)  # what a link can lead to
_LINES = 65_536  # files whose numbers are Python's at a time

Numbers = NDArray[np.int64]
Digests = NDArray[np.uint64]
_States = tuple[bytes, bytes, bytes, bytes]  # sizes, times, devices, inodes
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class ImageFiles(Sequence[Path]):
    """Files below one folder, in a fixed order, with what the system says of each when they were listed.

    Attributes:
        root: the folder.
        sizes: bytes of each, int64 [N].
        times: of the last change, nanoseconds, int64 [N].
        devices, inodes: which file it is, under whatever name, uint64 [N].
    """

    def __init__(self, root: Path, names: Iterable[str]) -> None:
        """Ask for the state of every file.

        Args:
            names: relative to `root`.

        Raises:
            InputError: one is missing.
        """
        self.root, self._base = root, os.path.join(root, "")  # noqa: PTH118
        text, ends, states = bytearray(), array("q"), [bytearray() for _ in range(4)]
        for block, found in in_threads(self._asked, names, _BLOCK):
            for name in block:
                text += _encoded(name)
                ends.append(len(text))
            for column, part in zip(states, found, strict=True):
                column += part
        self._text, self._ends = bytes(text), np.frombuffer(ends, dtype=np.int64)
        self.sizes, self.times = (np.frombuffer(column, dtype=np.int64) for column in states[:2])
        self.devices, self.inodes = (np.frombuffer(column, dtype=np.uint64) for column in states[2:])

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, number: int) -> Path: ...
    @overload
    def __getitem__(self, number: slice) -> list[Path]: ...
    def __getitem__(self, number: int | slice) -> Path | list[Path]:
        if isinstance(number, slice):
            return [self[one] for one in range(len(self))[number]]
        return Path(self._base + self.name(number))

    def __eq__(self, other: object) -> bool:
        """Whether they are the same names; what the system says of them may have changed."""
        if not isinstance(other, ImageFiles):
            return NotImplemented
        same = self.root == other.root and self._text == other._text
        return same and np.array_equal(self._ends, other._ends)

    __hash__ = None  # type: ignore[assignment]

    def name(self, number: int) -> str:
        """Of a file, relative to the folder."""
        place = range(len(self))[number]
        start = int(self._ends[place - 1]) if place else 0
        return self._text[start : int(self._ends[place])].decode("utf-8", "surrogateescape")

    def take(self, numbers: Numbers) -> ImageFiles:
        """Some of the files, in the order of `numbers`; nothing is asked for again."""
        taken = ImageFiles(self.root, ())
        names = [_encoded(self.name(number)) for number in numbers.tolist()]
        taken._text = b"".join(names)
        taken._ends = np.cumsum([len(name) for name in names], dtype=np.int64)
        taken.sizes, taken.times = self.sizes[numbers], self.times[numbers]
        taken.devices, taken.inodes = self.devices[numbers], self.inodes[numbers]
        return taken

    def fingerprint(self) -> str:
        """Changes with any name, size or time of change, so that a cache of other images is never used."""
        digest = hashlib.sha256()
        for line in self._lines():
            digest.update(line)
        return digest.hexdigest()

    def marks(self) -> Digests:
        """64 bits of every file's name, size and time of change, [N]."""
        found = array("Q")
        for line in self._lines():
            found.frombytes(hashlib.blake2b(line, digest_size=8).digest())
        return np.frombuffer(found, dtype=np.uint64)

    def _lines(self) -> Iterator[bytes]:
        start, columns = 0, (self._ends, self.sizes, self.times)
        for first in range(0, len(self), _LINES):
            block = (column[first : first + _LINES].tolist() for column in columns)
            for end, size, time in zip(*block, strict=True):
                yield b"%b\0%d\0%d\n" % (self._text[start:end], size, time)
                start = end

    def _asked(self, names: Sequence[str]) -> _States:
        states = [self._state(name) for name in names]
        sizes = array("q", [state.st_size for state in states])
        times = array("q", [state.st_mtime_ns for state in states])
        devices = array("Q", [state.st_dev for state in states])
        inodes = array("Q", [state.st_ino for state in states])
        return sizes.tobytes(), times.tobytes(), devices.tobytes(), inodes.tobytes()

    def _state(self, name: str) -> os.stat_result:
        path = self._base + name
        try:
            try:
                return os.stat(path)  # noqa: PTH116
            except OSError as error:
                if error.errno not in _NO_FILE:
                    raise
                return os.lstat(path)  # a link to nothing is a bad image
        except OSError as error:
            raise InputError(f"{path}: image: found none ({error.strerror}), allowed: a file") from None


def in_threads(
    function: Callable[[Sequence[_Item]], _Result],
    items: Iterable[_Item],
    size: int,
    threads: int = _THREADS,
) -> Iterator[tuple[Sequence[_Item], _Result]]:
    """Blocks of items with the function's results, in order; few blocks are under way at a time.

    What is raised is what was raised for the first of them.

    Args:
        function: spends its time outside the interpreter lock.
        size: of a block.
    """
    left = iter(items)
    with ThreadPool(threads) as pool:
        while wave := [block for _ in range(_WAVE * threads) if (block := list(islice(left, size)))]:
            yield from zip(wave, pool.imap(function, wave), strict=True)


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
