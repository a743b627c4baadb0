"""Which images of two sides are the same: the same file, the same bytes, or the same pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path

from torch import Tensor

Key = Callable[[int], Hashable]  # of an image's number
Pairs = dict[int, int]  # an image of one side → one of the other side that is the same

_TAIL = 4096  # bytes at a file's end: of pictures of one size hardly two have the same
_THREADS = 8  # files are read outside the interpreter lock


def same_files(files: Sequence[Path], ours: Sequence[int], theirs: Sequence[int]) -> Pairs:
    """Images that are one file: listed on both sides, or on one of them as a link, hard or symbolic."""

    def inode(number: int) -> Hashable:
        state = files[number].stat()
        return state.st_dev, state.st_ino

    return _pairs(inode, ours, theirs)


def same_bytes(files: Sequence[Path], ours: Sequence[int], theirs: Sequence[int]) -> Pairs:
    """Images whose files have the same content.

    All files are asked for their size, those of one size for their end, and only those of one end are read
    as a whole: of a large set of photographs, almost none.
    """
    for key in (lambda number: files[number].stat().st_size, lambda number: _tail(files[number])):
        ours, theirs = _shared(key, ours, theirs)
    return _pairs(lambda number: hashlib.sha256(files[number].read_bytes()).digest(), ours, theirs)


def same_pixels(pixels: Tensor, ours: Sequence[int], theirs: Sequence[int]) -> Pairs:
    """Images of equal pixels, out of [N, C, S, S]."""
    return _pairs(lambda number: hashlib.sha256(pixels[number].numpy().tobytes()).digest(), ours, theirs)


def _pairs(key: Key, ours: Sequence[int], theirs: Sequence[int]) -> Pairs:
    owners = dict(zip(_keys(key, theirs), theirs, strict=True))
    keys = zip(ours, _keys(key, ours), strict=True)
    return {number: owners[own] for number, own in keys if own in owners}


def _shared(key: Key, ours: Sequence[int], theirs: Sequence[int]) -> tuple[list[int], list[int]]:
    """The images of both sides whose key the other side has too."""
    sides = [(side, _keys(key, side)) for side in (ours, theirs)]
    common = set(sides[0][1]) & set(sides[1][1])
    first, second = (
        [number for number, own in zip(side, keys, strict=True) if own in common] for side, keys in sides
    )
    return first, second


def _keys(key: Key, numbers: Sequence[int]) -> list[Hashable]:
    with ThreadPool(_THREADS) as pool:
        return list(pool.imap(key, numbers, chunksize=64))


def _tail(path: Path) -> Hashable:
    """Size and digest of the last bytes."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL))
        return size, hashlib.sha256(file.read()).digest()
