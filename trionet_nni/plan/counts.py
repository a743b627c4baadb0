"""How many images each split has: of data that are here, or of data that will be somewhere else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from trionet_nni.data import Splits
from trionet_nni.data.registry import dataset
from trionet_nni.data.splits import divide
from trionet_nni.errors import InputError
from trionet_nni.settings.project import DataConfig

_IMAGENET = (1_281_167, 50_000, 1_000)  # training images, validation images, classes (ILSVRC 2012)


@dataclass(frozen=True)
class Counts:
    """A division in numbers.

    Attributes:
        images: of each split.
        assumed: what was taken for granted of data that are not here; None where they are.
    """

    images: dict[str, int]
    classes: int
    channels: int
    image_size: int
    assumed: str | None = None


def counts_of(splits: Splits) -> Counts:
    """Of data that were read."""
    images = {name: part["images"] for name, part in splits.record["splits"].items()}
    return Counts(images, splits.classes, splits.channels, splits.image_size)


def counts_elsewhere(config: DataConfig, images: int | None, classes: int | None) -> Counts:
    """Without a look at any image: of the files that are here, or of as many as will be somewhere else.

    Args:
        config: with an absolute root.
        images: to train on, before search images are held out; None: those that are here.
        classes: None: those that are here, or that the data set is known to have.

    Raises:
        InputError: there is no such number, it was not said, or it is too small for the experiment.
    """
    for option, value, least in (("--images", images, 1), ("--classes", classes, 2)):
        if value is not None and value < least:
            raise InputError(f"{option}: found {value}, allowed: {least} or more")
    here = config.root is None or Path(config.root).is_dir()
    if here and images is None and classes is None:
        return _here(config)
    return _assumed(config, images, classes)


def _here(config: DataConfig) -> Counts:
    source = dataset(config).open(config)
    labels = source.read()[1] if source.labels is None else source.labels
    parts = divide(config, labels, source.train_count)
    counts = {name: len(rows) for name, rows in parts.items()}
    return _counted(config, counts, len(source.class_names), None)


def _assumed(config: DataConfig, images: int | None, classes: int | None) -> Counts:
    known, test = dataset(config), 0
    if Path(config.root or "").name.lower().startswith("imagenet") and images is None:
        images, test = _IMAGENET[:2]
        classes = classes or _IMAGENET[2]
    classes = classes or known.classes
    for option, what, value in (("--images", "to train on", images), ("--classes", "of them", classes)):
        if value is None:
            found = "no such folder" if config.root else "nothing"
            allowed = f"a folder, or {option} N, how many there will be {what}"
            raise InputError(f"{config.root or 'data.root'}: found {found}, allowed: {allowed}")
    assert images is not None and classes is not None
    labels = torch.arange(images + test) % classes
    counts = {name: len(rows) for name, rows in divide(config, labels, images).items()}
    text = f"{images:,} images to train on, of {classes:,} classes: taken for granted, none was looked at"
    return _counted(config, counts, classes, text)


def _counted(config: DataConfig, counts: dict[str, int], classes: int, assumed: str | None) -> Counts:
    held_out = counts["recalibration"] if config.recalibration == "held-out" else 0
    whole = {**counts, "full_train": counts["train"] + counts["search"] + held_out}
    return Counts(whole, classes, dataset(config).channels, config.image_size, assumed)
