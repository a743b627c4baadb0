"""A source from lists of labelled image files: what the published data sets come down to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from trionet_nni.data.decode import read_images
from trionet_nni.data.image_files import ImageFiles
from trionet_nni.data.source import Source

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
    names = [str(path.relative_to(root)) for path, _ in items]
    labels = torch.tensor([label for _, label in items])
    count = None if test is None else len(train)
    return source_of(name, size, class_names, ImageFiles(root, names), labels, count)


def source_of(
    name: str,
    size: int,
    class_names: Sequence[str],
    files: ImageFiles,
    labels: Tensor,
    train_count: int | None,
) -> Source:
    """A data set of image files, RGB, with the class of each; see `listed_source` and `Source`."""
    return Source(
        key=f"{name} {files.fingerprint()}",
        class_names=tuple(class_names),
        read=lambda: (read_images(files, size), labels),
        train_count=train_count,
        files=files,
        labels=labels,
    )
