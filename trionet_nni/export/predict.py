"""`trionet predict`: what a network takes pictures for."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from trionet_nni.data.decode import SUFFIXES
from trionet_nni.errors import InputError
from trionet_nni.export.exported import ExportedNetwork
from trionet_nni.files.atomic import write_text
from trionet_nni.training.evaluate import BATCH

_HEADER = ("picture", "class", "probability")


@dataclass(frozen=True)
class Prediction:
    """The class that a picture is taken for, and its probability, 0 to 1, after the softmax."""

    picture: Path
    name: str
    probability: float

    @property
    def file(self) -> str:
        """The picture's name as any terminal and file takes it."""
        return str(self.picture).encode("utf-8", "backslashreplace").decode()


def pictures(paths: Sequence[Path]) -> list[Path]:
    """The files, and of a folder all pictures in it and below, in the order of their names.

    Raises:
        InputError: there is no such file, or a folder has no picture.
    """
    found: list[Path] = []
    for path in paths:
        inside = _inside(path) if path.is_dir() else [path]
        if not inside:
            raise InputError(f"{path}: pictures: found none, allowed: files ending in {_endings()}")
        found += inside
    for path in found:
        if not path.is_file():
            raise InputError(f"{path}: picture: found no file, allowed: a picture or a folder of pictures")
    return found


def predict(network: ExportedNetwork, files: Sequence[Path]) -> list[Prediction]:
    """What the network takes pictures for, in their order.

    Raises:
        InputError: a file is no readable image.
    """
    network.preprocess.check_channels()
    return list(_predictions(network, files))


@torch.inference_mode()
def _predictions(network: ExportedNetwork, files: Sequence[Path]) -> Iterator[Prediction]:
    device = next(network.parameters()).device
    for start in range(0, len(files), BATCH):
        batch = files[start : start + BATCH]
        inputs = torch.stack([network.preprocess(path) for path in batch])
        best = network(inputs.to(device)).float().softmax(1).max(1)
        for path, share, label in zip(batch, best.values.tolist(), best.indices.tolist(), strict=True):
            yield Prediction(path, network.classes[label], share)


def write_predictions(path: Path, found: Sequence[Prediction]) -> None:
    """Write a CSV file: picture, class, probability."""
    text = io.StringIO()
    rows = ((one.file, one.name, f"{one.probability:.6f}") for one in found)
    csv.writer(text, lineterminator="\n").writerows([_HEADER, *rows])
    write_text(path, text.getvalue())


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def _endings() -> str:
    return " ".join(sorted(SUFFIXES))
