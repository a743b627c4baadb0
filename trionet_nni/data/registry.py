"""The data sets that an experiment can name: one file each, one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trionet_nni.data.caltech101 import open_caltech101
from trionet_nni.data.cub import open_cub2010, open_cub2011
from trionet_nni.data.digits import open_digits
from trionet_nni.data.fgvc_aircraft import open_fgvc_aircraft
from trionet_nni.data.flowers import open_flowers
from trionet_nni.data.folder import open_folder
from trionet_nni.data.source import Source
from trionet_nni.data.stanford_cars import open_stanford_cars
from trionet_nni.errors import InputError, shown
from trionet_nni.settings.project import DataConfig


@dataclass(frozen=True)
class Dataset:
    """What is known of a data set before its images are there.

    Attributes:
        open: all its images, undivided.
        classes: how many there are; None where the folder says it.
        channels: of an image.
    """

    open: Callable[[DataConfig], Source]
    classes: int | None
    channels: int = 3


DATASETS = {
    "digits": Dataset(open_digits, classes=10, channels=1),
    "folder": Dataset(open_folder, classes=None),
    "stanford-cars": Dataset(open_stanford_cars, classes=196),
    "fgvc-aircraft": Dataset(open_fgvc_aircraft, classes=100),
    "cub-2010": Dataset(open_cub2010, classes=200),
    "cub-2011": Dataset(open_cub2011, classes=200),
    "caltech-101": Dataset(open_caltech101, classes=101),
    "flowers-102": Dataset(open_flowers, classes=102),
}


def dataset(config: DataConfig, source: str = "") -> Dataset:
    """The data set that a configuration names.

    Args:
        source: what the message begins with: the file that names it.

    Raises:
        InputError: there is none of this name.
    """
    if config.name not in DATASETS:
        where = f"{source}: data.name" if source else "data.name"
        raise InputError(f"{where}: found {shown(config.name)}, allowed: {', '.join(DATASETS)}")
    return DATASETS[config.name]
