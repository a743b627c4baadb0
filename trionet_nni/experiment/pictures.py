"""What a folder of pictures is like, as far as an experiment on it has to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from PIL import Image

from trionet_nni.data.registry import dataset, kind_of
from trionet_nni.errors import InputError
from trionet_nni.settings.project import DataConfig

_LOOKED_AT = 200  # pictures, spread over all of them: only their headers are read


@dataclass(frozen=True)
class Pictures:
    """A folder of class folders, or of packed pictures.

    Attributes:
        data: as which data set it is read.
        pool: pictures that may be trained on; the others are the test pictures.
        own_test: whether the folder has test pictures of its own.
        side: median of the shorter sides, pixels.
    """

    root: Path
    data: str
    classes: tuple[str, ...]
    count: int
    pool: int
    own_test: bool
    side: int


def look_at(root: Path) -> Pictures:
    """Count a folder's pictures and measure some of them.

    Raises:
        InputError: it holds no class folders, or a class without pictures, or nothing that can be read.
    """
    config = DataConfig(name=kind_of(root), root=str(root))
    source = dataset(config).open(config)
    files = source.files or ()
    own_test = source.train_count is not None
    pool = source.train_count or len(files) - round(config.test_fraction * len(files))
    return Pictures(root, config.name, source.class_names, len(files), pool, own_test, _side(root, files))


def _side(root: Path, files: Sequence[Path]) -> int:
    sides = [side for file in files[:: max(1, len(files) // _LOOKED_AT)] if (side := _shorter(file))]
    if not sides:
        raise InputError(f"{root}: pictures: found none that can be read, allowed: pictures")
    return round(median(sides))


def _shorter(file: Path) -> int:
    """Of a picture's sides; 0 where it cannot be read, which a plan says."""
    try:
        with Image.open(file) as picture:
            return min(picture.size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return 0
