"""What a data set file gives: all its images, before they are divided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from trionet_nni.data.image_files import ImageFiles
from trionet_nni.settings.project import DataConfig


@dataclass(frozen=True)
class Source:
    """A data set before it is divided.

    Attributes:
        key: changes when the images change: name, version or listing of the files.
        class_names: in the order of the labels.
        read: decodes everything: (uint8 [N, C, S, S], labels int64 [N]).
        train_count: the first so many images may be trained on, the rest is the given test set; None
            where the data set has no test set of its own.
        files, labels: the images as files, where there are files: they can be decoded on demand.
    """

    key: str
    class_names: tuple[str, ...]
    read: Callable[[], tuple[Tensor, Tensor]]
    train_count: int | None = None
    files: ImageFiles | None = None
    labels: Tensor | None = None


@dataclass(frozen=True)
class Dataset:
    """What is known of a data set before its images are there.

    Attributes:
        name: as `data.name` of an experiment file says it.
        open: all its images, undivided.
        classes: how many there are; None where the folder says it.
        names: of the classes in a folder, without a look at its images; only where `classes` is None.
        channels: of an image.
    """

    name: str
    open: Callable[[DataConfig], Source]
    classes: int | None
    channels: int = 3
    names: Callable[[Path], list[str]] | None = None
