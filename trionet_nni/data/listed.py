"""A source from lists of labelled image files: what the published data sets come down to."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch

from trionet_nni.data.decode import read_images
from trionet_nni.data.source import Source
from trionet_nni.errors import InputError

Labelled = tuple[Path, int]  # an image file and its class


def listed_source(
    name: str,
    root: Path,
    size: int,
    class_names: Sequence[str],
    train: Sequence[Labelled],
    test: Sequence[Labelled] | None,
) -> Source:
    """A data set of image files, RGB.

    Args:
        name: first word of the source's key.
        root: of all files.
        size: side of the decoded images in pixels.
        test: the given test set; None where there is none.

    Raises:
        InputError: a listed file is missing.
    """
    items = [*train, *(test or ())]
    files = tuple(path for path, _ in items)
    labels = torch.tensor([label for _, label in items])
    return Source(
        key=f"{name} {_fingerprint(root, files)}",
        class_names=tuple(class_names),
        read=lambda: (read_images(files, size), labels),
        train_count=None if test is None else len(train),
        files=files,
        labels=labels,
    )


def _fingerprint(root: Path, files: Sequence[Path]) -> str:
    """Changes with any name, size or time of change, so that a cache of other images is never used."""
    digest = hashlib.sha256()
    for path in files:
        try:
            state = path.stat() if path.exists() else path.lstat()  # a link to nothing is a bad image
        except OSError as error:
            raise InputError(f"{path}: image: found none ({error.strerror}), allowed: a file") from None
        digest.update(f"{path.relative_to(root)}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()
