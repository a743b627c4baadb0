"""Which images of two sides are the same: the same file, the same bytes, or the same pixels.

Of the images to train on, which may be a million, nothing is held but arrays and a block at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator
from pathlib import Path

import numpy as np
from torch import Tensor

from trionet_nni.data.image_files import Digests, ImageFiles, Numbers, in_threads

Key = Callable[[int], Hashable]  # of an image's number
Pairs = dict[int, int]  # an image of one side → one of the other side that is the same
Tails = Callable[[Numbers], Digests]  # of images' numbers, see `tail`

_TAIL = 4096  # bytes at a file's end: of pictures of one size hardly two have the same
_BLOCK = 64


def same_files(files: ImageFiles, ours: Numbers, theirs: Numbers) -> Pairs:
    """Images that are one file: listed on both sides, or on one of them as a link, hard or symbolic."""
    return _pairs(
        lambda number: (int(files.devices[number]), int(files.inodes[number])),
        *_shared(files.inodes[ours], files.inodes[theirs], ours, theirs),
    )


def same_bytes(files: ImageFiles, ours: Numbers, theirs: Numbers, tails: Tails | None = None) -> Pairs:
    """Images whose files have the same content.

    Of all files the size is compared, of those of one size the end, and only those of one end are read as a
    whole: of a large set of photographs, almost none.

    Args:
        tails: of the files; None: they are read.

    Raises:
        OSError: a file cannot be read.
    """
    ours, theirs = _shared(files.sizes[ours], files.sizes[theirs], ours, theirs)
    found = tails or (lambda numbers: read_tails(files, numbers))
    ours, theirs = _shared(found(ours), found(theirs), ours, theirs)
    return _pairs(lambda number: hashlib.sha256(files[number].read_bytes()).digest(), ours, theirs)


def same_pixels(pixels: Tensor, ours: Numbers, theirs: Numbers) -> Pairs:
    """Images of equal pixels, out of [N, C, S, S]."""
    return _pairs(lambda number: hashlib.sha256(pixels[number].numpy().tobytes()).digest(), ours, theirs)


def read_tails(files: ImageFiles, numbers: Numbers) -> Digests:
    """See `tail`, uint64 [N].

    Raises:
        OSError: a file cannot be read.
    """
    tails = (own for _, own in _keyed(lambda number: tail(files[number]), numbers))
    return np.fromiter(tails, dtype=np.uint64, count=len(numbers))


def tail(path: Path) -> int:
    """64 bits of a file's size and its last bytes.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL))
        digest = hashlib.blake2b(b"%d " % size + file.read(), digest_size=8)
    return int.from_bytes(digest.digest(), "little")


def _pairs(key: Key, ours: Numbers, theirs: Numbers) -> Pairs:
    keys = dict(_keyed(key, ours))
    owners: dict[Hashable, int | None] = dict.fromkeys(keys.values())
    for number, own in _keyed(key, theirs):
        if own in owners:
            owners[own] = number
    return {number: other for number, own in keys.items() if (other := owners[own]) is not None}


def _shared(
    our_keys: np.ndarray, their_keys: np.ndarray, ours: Numbers, theirs: Numbers
) -> tuple[Numbers, Numbers]:
    """The images of both sides whose key the other side has too."""
    return ours[np.isin(our_keys, their_keys)], theirs[np.isin(their_keys, our_keys)]


def _keyed(key: Key, numbers: Numbers) -> Iterator[tuple[int, Hashable]]:
    def keys(block: Iterable[int]) -> list[Hashable]:
        return [key(number) for number in block]

    for block, found in in_threads(keys, map(int, numbers), _BLOCK):
        yield from zip(block, found, strict=True)
