"""The images that score candidates, apart from their data set: for machines that do not have it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trionet_nni.data.images import ImageSet
from trionet_nni.data.in_memory import in_memory
from trionet_nni.data.portable import read_sets, write_sets
from trionet_nni.data.splits import Splits

_SETS = ("search", "recalibration")


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
    """Write them as one file; see `data.portable`."""
    write_sets({name: getattr(images, name) for name in _SETS}, images.classes, path)


def read_scoring_images(path: Path) -> ScoringImages:
    """Read what `write_scoring_images` wrote.

    Raises:
        InputError: the file cannot be read, or is another one.
    """
    sets, classes = read_sets(path, _SETS, "images that score candidates")
    return ScoringImages(**sets, classes=classes)
