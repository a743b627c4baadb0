"""The images that finalists are trained and compared on, apart from their data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trionet_nni.data.images import ImageSet
from trionet_nni.data.portable import read_sets, write_sets
from trionet_nni.data.splits import Splits

_SETS = ("train", "search")


@dataclass(frozen=True)
class TrainingImages:
    """All that training a finalist needs of a data set; of a divided one, the parts of the same names.

    Attributes:
        train, search: of the first division; the others (`data.folds`) follow from them.
        classes: how many there are.
    """

    train: ImageSet
    search: ImageSet
    classes: int

    @property
    def channels(self) -> int:
        """Of an image."""
        return self.train.store.channels

    @property
    def image_size(self) -> int:
        """Pixels of a side."""
        return self.train.store.image_size


def write_training_images(splits: Splits, path: Path) -> None:
    """Write them as one file; see `data.portable`.

    Raises:
        InputError: they are larger than those that are held in memory (`data.splits.IN_MEMORY`).
    """
    write_sets({name: getattr(splits, name) for name in _SETS}, splits.classes, path)


def read_training_images(path: Path) -> TrainingImages:
    """Read what `write_training_images` wrote.

    Raises:
        InputError: the file cannot be read, or is another one.
    """
    sets, classes = read_sets(path, _SETS, "images that finalists are trained on")
    return TrainingImages(**sets, classes=classes)
