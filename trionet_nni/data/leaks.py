"""Test images among the images to train on: found before anything starts, or accuracy would be memory.

A file that is trained on and tested with is a mistake in folders or lists, and is refused. Copies of a
picture happen in real data sets too (ImageNet and CIFAR have a few): of up to 1 % of the test images they
are told in one line, of more they are refused.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from trionet_nni.data.copies import Pairs, same_bytes, same_files, same_pixels
from trionet_nni.data.image_files import Numbers
from trionet_nni.data.looked_at import known_tails
from trionet_nni.data.source import Source
from trionet_nni.data.stores import MemoryStore, Store
from trionet_nni.errors import InputError
from trionet_nni.files.atomic import write_json

_SHARE = 0.01  # of the test images


@dataclass(frozen=True)
class Copies:
    """How many test images have a copy among the others, and the names of one such pair."""

    count: int = 0
    test: str = ""
    other: str = ""


def check_folders(train: Path, test: Path) -> None:
    """Refuse a test folder that is the training folder, or one inside the other, also by a link.

    Raises:
        InputError: it is.
    """
    ours, theirs = train.resolve(), test.resolve()
    if ours == theirs or ours in theirs.parents or theirs in ours.parents:
        raise InputError(f"{test}: test folder: found {theirs}, allowed: a folder apart from {ours}")


def check_test_images(source: Source, store: Store, test: Tensor, folder: Path) -> None:
    """Refuse a division that would train on its test images; say so where it is a few copies.

    Images in memory are compared by their pixels, others by their files. What was found is kept, so that
    later calls, also of other processes, read one small file.

    Args:
        test: numbers of the test images, int64 [N]; all others are trained on or searched with.
        folder: of decoded images.

    Raises:
        InputError: a file is on both sides, or more than 1 % of the test images have a copy.
    """
    known = folder / f"copies-{_mark(source, store, test)}.json"
    copies = _read(known)
    if copies is None:
        copies = _look(source, store, test, folder)
        write_json(known, asdict(copies))
    if copies.count:
        _warn(
            f"{copies.count:,} of {len(test):,} test images have a copy among the images to train on: "
            f"{copies.test} is {copies.other}"
        )


def _mark(source: Source, store: Store, test: Tensor) -> str:
    how = f"pixels {store.image_size}" if isinstance(store, MemoryStore) else "files"
    return hashlib.sha256(f"{source.key} {how} ".encode() + test.numpy().tobytes()).hexdigest()[:16]


def _read(path: Path) -> Copies | None:
    try:
        return Copies(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # not there, or damaged: look again


def _look(source: Source, store: Store, test: Tensor, folder: Path) -> Copies:
    ours, theirs = test.numpy(), _others(source, store, test)
    try:
        if source.files is not None:
            same = same_files(source.files, ours, theirs)
            if same:
                raise _refusal(source, same, len(ours), "the same file as", "a file on one side only")
        copied = _copied(source, store, ours, theirs, folder)
    except OSError as error:
        reason = f"cannot be read ({error.strerror}), allowed: a readable file"
        raise InputError(f"{error.filename}: image: {reason}") from None
    if len(copied) > _SHARE * len(ours):
        raise _refusal(source, copied, len(ours), "a copy of", "copies of up to 1 %")
    return Copies(len(copied), *_example(source, copied)) if copied else Copies()


def _others(source: Source, store: Store, test: Tensor) -> Numbers:
    count = len(store.pixels) if isinstance(store, MemoryStore) else len(source.files or ())
    rest = torch.ones(count, dtype=torch.bool)
    rest[test] = False
    return rest.nonzero().flatten().numpy()


def _copied(source: Source, store: Store, ours: Numbers, theirs: Numbers, folder: Path) -> Pairs:
    if isinstance(store, MemoryStore):
        return same_pixels(store.pixels, ours, theirs)
    assert source.files is not None
    return same_bytes(source.files, ours, theirs, known_tails(source.files, folder))


def _refusal(source: Source, pairs: Pairs, tested: int, what: str, allowed: str) -> InputError:
    test, other = _example(source, pairs)
    return InputError(
        f"{test}: test image: found {what} {other}, which is trained on, and so for {len(pairs):,} of "
        f"{tested:,} test images, allowed: {allowed}"
    )


def _example(source: Source, pairs: Pairs) -> tuple[str, str]:
    """Names of the first pair."""
    test, other = next(iter(pairs.items()))
    return _name(source, test), _name(source, other)


def _name(source: Source, number: int) -> str:
    return f"image {number}" if source.files is None else str(source.files[number])


@cache  # once a process
def _warn(line: str) -> None:
    print(f"trionet: warning: {line}", file=sys.stderr)
