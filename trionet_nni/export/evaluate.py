"""`trionet evaluate`: what an exported network reaches on labelled images, class by class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from trionet_nni.data import ImageSet
from trionet_nni.data.folder import class_images
from trionet_nni.data.image_files import ImageFiles
from trionet_nni.data.stores import FileStore
from trionet_nni.errors import InputError
from trionet_nni.export.card import read_card
from trionet_nni.export.exported import ExportedNetwork
from trionet_nni.export.load import load
from trionet_nni.export.own_images import test_images
from trionet_nni.export.weights import BEST, chosen_weights
from trionet_nni.settings.project import DataConfig
from trionet_nni.settings.section import refused
from trionet_nni.training.evaluate import Confusion, confusion

_TEST = "test"  # the folder's own split of that name


@dataclass(frozen=True)
class Evaluated:
    """What a network reaches on a set of images.

    Attributes:
        network: the exported folder.
        weights: name of the set of weights, and `file` where it lies.
        data: "test", or the folder of class folders.
        classes: names, in the order of `confusion.counts`.
    """

    network: Path
    weights: str
    file: Path
    data: str
    classes: tuple[str, ...]
    confusion: Confusion

    @property
    def per_class(self) -> list[ClassScore]:
        """Of every class that has images."""
        counts = self.confusion.counts
        numbers = torch.stack([counts.sum(1), counts.sum(0), counts.diagonal()], 1).tolist()
        named = zip(self.classes, numbers, strict=True)
        return [ClassScore(name, *row) for name, row in named if row[0]]

    def to_dict(self) -> dict[str, Any]:
        """As `result.json` says it."""
        return {
            "weights": str(self.file),
            "data": self.data,
            "accuracy": self.confusion.accuracy,
            "loss": self.confusion.loss,
            "images": self.confusion.images,
            "classes": {
                one.name: {"images": one.images, "accuracy": one.accuracy, "precision": one.precision}
                for one in self.per_class
            },
        }


@dataclass(frozen=True)
class ClassScore:
    """What is right of one class.

    Attributes:
        images: of the class.
        taken: images that are taken for it, right or wrong.
        right: images of the class that are taken for it.
    """

    name: str
    images: int
    taken: int
    right: int

    @property
    def accuracy(self) -> float:
        """Share of its images, 0 to 1, that are known as such (recall)."""
        return self.right / self.images

    @property
    def precision(self) -> float | None:
        """Share of what is taken for it, 0 to 1, that is right; None where nothing is."""
        return self.right / self.taken if self.taken else None


def evaluate(
    folder: str | Path, *, data: str | Path | None = None, weights: str = BEST, size: int | None = None
) -> Evaluated:
    """Measure an exported network.

    Args:
        data: a folder of class folders, `data/<class>/*` or `data/test/<class>/*`, with classes that the
            network knows, some or all of them; the folder's own test images when None.
        weights: as for `load`.
        size: side of the images in pixels instead of the training's; accuracy falls with the distance.

    Raises:
        InputError: one line about an unusable folder, class, picture or set of weights.
    """
    folder = Path(folder)
    _check_size(size)
    card = read_card(folder)
    name, file = chosen_weights(folder, card, weights)
    network = load(folder, str(file))
    images = test_images(folder, card, size) if data is None else _pictures(Path(data), network, size)
    if torch.cuda.is_available():
        network.cuda()
    found = confusion(network, images, len(network.classes))
    return Evaluated(folder, name, file, _TEST if data is None else str(data), network.classes, found)


def _check_size(size: int | None) -> None:
    try:
        DataConfig(image_size=DataConfig().image_size if size is None else size)
    except ValidationError as error:
        raise refused(error, "evaluate: --size", DataConfig) from None


def _pictures(root: Path, network: ExportedNetwork, size: int | None) -> ImageSet:
    """Pictures of class folders, seen as in training."""
    preprocess = network.preprocess
    preprocess.check_channels()
    root = next((root / name for name in ("test", "val") if (root / name).is_dir()), root)
    listing = class_images(root)
    numbers = {name: number for number, name in enumerate(network.classes)}
    for name in listing:
        if name not in numbers:
            raise InputError(f"{root}: class folders: found {name!r}, allowed: {_listed(network.classes)}")
    files = ImageFiles(root, (image for images in listing.values() for image in images))
    store = FileStore(
        files,
        size or preprocess.image_size,
        margin=preprocess.margin,
        channels=preprocess.channels,
    )
    labels = torch.tensor([numbers[name] for name, images in listing.items() for _ in images])
    mean, std = torch.tensor(preprocess.mean), torch.tensor(preprocess.std)
    return ImageSet(store, torch.arange(len(files)), labels, mean, std)


def _listed(names: tuple[str, ...], most: int = 20) -> str:
    """Names as a message has room for."""
    more = f" … ({len(names):,} in all)" if len(names) > most else ""
    return ", ".join(names[:most]) + more
