"""The images that score candidates, apart from their data set: for machines that do not have it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from trionet_nni.data.images import ImageSet
from trionet_nni.data.in_memory import in_memory
from trionet_nni.data.splits import Splits
from trionet_nni.data.stores import MemoryStore
from trionet_nni.errors import InputError
from trionet_nni.files.atomic import write_tensors
from trionet_nni.files.weights import read_weights

_SETS = ("search", "recalibration")
_NAMES = {"mean", "std", "classes"} | {f"{name}.{part}" for name in _SETS for part in ("pixels", "labels")}


@dataclass(frozen=True)
class ScoringImages:
    """All that an evaluation needs of a data set, decoded, in memory.

    Attributes:
        search: measures accuracy and loss.
        recalibration: gives a candidate its BN statistics.
        classes: how many there are.
    """

    search: ImageSet
    recalibration: ImageSet
    classes: int

    @classmethod
    def of(cls, splits: Splits) -> ScoringImages:
        """Those of a divided data set.

        Raises:
            InputError: a file is no readable image.
        """
        return cls(in_memory(splits.search), in_memory(splits.recalibration), splits.classes)


def write_scoring_images(images: ScoringImages, path: Path) -> None:
    """Write them as one safetensors file: a byte a pixel and channel, labels, mean and deviation."""
    tensors = {
        "mean": images.search.mean,
        "std": images.search.std,
        "classes": torch.tensor([images.classes]),
        "search.pixels": images.search.images,
        "search.labels": images.search.labels,
        "recalibration.pixels": images.recalibration.images,
        "recalibration.labels": images.recalibration.labels,
    }
    write_tensors(path, tensors)


def read_scoring_images(path: Path) -> ScoringImages:
    """Read what `write_scoring_images` wrote.

    Raises:
        InputError: the file cannot be read, or is another one.
    """
    found = read_weights(path, "images that score candidates")
    if found.keys() != _NAMES:
        raise InputError(f"{path}: found {sorted(found)}, allowed: {sorted(_NAMES)}")
    search, recalibration = (_image_set(found, name) for name in _SETS)
    return ScoringImages(search, recalibration, int(found["classes"]))


def _image_set(found: dict[str, Tensor], name: str) -> ImageSet:
    labels = found[f"{name}.labels"]
    store = MemoryStore(found[f"{name}.pixels"])
    return ImageSet(store, torch.arange(len(labels)), labels, found["mean"], found["std"])
