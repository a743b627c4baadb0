"""Looking at every file of a data set, once: by all cores, and remembered by name, size and time of change.

What was found of each file is kept, so that of a set that changed only the changed files are looked at
again, and a look that was interrupted goes on.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.utils.data import DataLoader, Dataset

from trionet_nni.data.copies import Tails, read_tails, tail
from trionet_nni.data.decode import THREADS, read_image
from trionet_nni.data.image_files import Digests, ImageFiles, Numbers, in_threads
from trionet_nni.errors import InputError
from trionet_nni.files.atomic import write_tensors

_PROBE = 8  # pixels: JPEGs are decoded at an eighth of their size, and still to their last byte
_BLOCK = 256  # files that a process looks at, at a time
_MANY = 4_096  # files for which it pays to start processes
_MOST_PROCESSES = 64
_SAVED_SECONDS = 120.0  # between two states that a look can go on from
_TOLD_SECONDS = 30.0

Bad = dict[int, str]  # number of an image → why it cannot be read
Look = tuple[int, str | None]  # a file's tail, and why it is no readable image


@dataclass(frozen=True)
class LookedAt:
    """What is known of files that are readable images.

    Attributes:
        marks: of the files, sorted, uint64 [N]; see `ImageFiles.marks`.
        tails: see `copies.tail`, uint64 [N].
    """

    marks: Digests
    tails: Digests

    def has(self, marks: Digests) -> np.ndarray:
        """Which of some files are known, bool [M]."""
        return np.isin(marks, self.marks)

    def tails_of(self, marks: Digests) -> Digests:
        """Of files that are known."""
        return self.tails[np.searchsorted(self.marks, marks)]

    def and_of(self, marks: Digests, tails: Digests) -> LookedAt:
        """With some more files."""
        every, first = np.unique(np.concatenate([self.marks, marks]), return_index=True)
        return LookedAt(every, np.concatenate([self.tails, tails])[first])


def unreadable(files: ImageFiles, cache: Path) -> Bad:
    """Which files are no readable images; those that were found readable before are not looked at again."""
    marks, path = files.marks(), _place(files, cache)
    looked = _read(path)
    left = (~looked.has(marks)).nonzero()[0]
    looked = _kept(looked, marks)
    bad: Bad = {}
    good, tails, saved = array("q"), array("Q"), time.monotonic()
    for number, (own, why) in zip(map(int, left), _looks(files, left), strict=True):
        if why is not None:
            bad[number] = why
            continue
        good.append(number)
        tails.append(own)
        if time.monotonic() - saved > _SAVED_SECONDS:
            _write(path, looked.and_of(marks[np.array(good)], np.array(tails)))
            saved = time.monotonic()
    _write(path, looked.and_of(marks[np.array(good)], np.array(tails)))
    return bad


def known_tails(files: ImageFiles, cache: Path) -> Tails:
    """Ends of files: those that are remembered, and the others read."""
    looked = _read(_place(files, cache))
    marks = files.marks()

    def tails(numbers: Numbers) -> Digests:
        own = marks[numbers]
        known = looked.has(own)
        found = np.empty(len(numbers), dtype=np.uint64)
        found[known] = looked.tails_of(own[known])
        found[~known] = read_tails(files, numbers[~known])
        return found

    return tails


def look(path: Path) -> Look:
    """Decode a file, and take its end while it is at hand."""
    try:
        read_image(path, _PROBE)
        return tail(path), None
    except InputError as error:
        return 0, str(error)
    except OSError as error:  # it went away in between
        return 0, f"{path}: image: found none ({error.strerror}), allowed: a readable image"


class _Blocks(Dataset[list[Look]]):
    """The work in blocks, for processes that each see all of it."""

    def __init__(self, files: ImageFiles, numbers: Numbers) -> None:
        self.files, self.numbers = files, numbers

    def __len__(self) -> int:
        return -(-len(self.numbers) // _BLOCK)

    def __getitem__(self, block: int) -> list[Look]:
        rows = self.numbers[block * _BLOCK : (block + 1) * _BLOCK]
        return [look(self.files[int(number)]) for number in rows]


def _looks(files: ImageFiles, numbers: Numbers) -> Iterator[Look]:
    """Of each file, in order."""
    if len(numbers) < _MANY:
        for _, found in in_threads(lambda one: look(files[one[0]]), map(int, numbers), 1, THREADS):
            yield found
        return
    loader = DataLoader(
        _Blocks(files, numbers),
        batch_size=None,
        collate_fn=_as_it_is,
        num_workers=min(_cores(), _MOST_PROCESSES),
        generator=torch.Generator(),  # else the loader draws from the global generator
    )
    done, told = 0, time.monotonic()
    for block in loader:
        yield from block
        done += len(block)
        if time.monotonic() - told > _TOLD_SECONDS:
            print(
                f"{files.root}: {done:,} of {len(numbers):,} images looked at", file=sys.stderr, flush=True
            )
            told = time.monotonic()


def _as_it_is(block: list[Look]) -> list[Look]:
    return block


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _place(files: ImageFiles, cache: Path) -> Path:
    name = hashlib.sha256(os.fsencode(files.root)).hexdigest()[:16]
    return Path(cache) / f"looked-at-{name}.safetensors"


def _kept(looked: LookedAt, marks: Digests) -> LookedAt:
    """Without files that are not there any more."""
    rows = np.isin(looked.marks, marks)
    return LookedAt(looked.marks[rows], looked.tails[rows])


def _read(path: Path) -> LookedAt:
    """Nothing, where it is not there or damaged."""
    try:
        tensors = load_file(path)
        marks, tails = (tensors[name].numpy().view(np.uint64) for name in ("marks", "tails"))
        if marks.ndim == 1 and marks.shape == tails.shape and bool((marks[1:] > marks[:-1]).all()):
            return LookedAt(marks, tails)
    except (OSError, SafetensorError, KeyError, ValueError):
        pass
    return LookedAt(np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint64))


def _write(path: Path, looked: LookedAt) -> None:
    arrays = {"marks": looked.marks, "tails": looked.tails}
    write_tensors(path, {name: torch.from_numpy(array.view(np.int64)) for name, array in arrays.items()})
