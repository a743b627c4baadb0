"""Sets of images apart from their data set, in one file: for machines that do not have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from trionet_nni.data.images import ImageSet
from trionet_nni.data.stores import MemoryStore
from trionet_nni.errors import InputError
from trionet_nni.files.atomic import write_tensors
from trionet_nni.files.weights import read_weights

_COMMON = ("mean", "std", "classes")


def write_sets(sets: Mapping[str, ImageSet], classes: int, path: Path) -> None:
    """Write sets of one data set as safetensors: a byte a pixel and channel, labels, mean, deviation.

    Args:
        sets: by name, all held in memory.
        classes: how many the data set has.
    """
    first = next(iter(sets.values()))
    tensors = {"mean": first.mean, "std": first.std, "classes": torch.tensor([classes])}
    for name, images in sets.items():
        tensors |= {f"{name}.pixels": images.images, f"{name}.labels": images.labels}
    write_tensors(path, tensors)


def read_sets(path: Path, names: Sequence[str], what: str) -> tuple[dict[str, ImageSet], int]:
    """Read what `write_sets` wrote: the sets, which share one store, and the number of classes.

    Args:
        what: the file should hold, for the message.

    Raises:
        InputError: the file cannot be read, or is another one.
    """
    found = read_weights(path, what)
    wanted = {*_COMMON, *(f"{name}.{part}" for name in names for part in ("pixels", "labels"))}
    if found.keys() != wanted:
        raise InputError(f"{path}: found {sorted(found)}, allowed: {sorted(wanted)}")
    store = MemoryStore(torch.cat([found[f"{name}.pixels"] for name in names]))
    sets: dict[str, ImageSet] = {}
    for name in names:
        labels: Tensor = found[f"{name}.labels"]
        rows = torch.arange(len(labels)) + sum(len(before) for before in sets.values())
        sets[name] = ImageSet(store, rows, labels, found["mean"], found["std"])
    return sets, int(found["classes"])
