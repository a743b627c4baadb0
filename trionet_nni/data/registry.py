"""The data sets that an experiment can name: one file each, one line here."""

from __future__ import annotations

from collections.abc import Callable

from trionet_nni.data.caltech101 import open_caltech101
from trionet_nni.data.cub import open_cub2010, open_cub2011
from trionet_nni.data.digits import open_digits
from trionet_nni.data.fgvc_aircraft import open_fgvc_aircraft
from trionet_nni.data.flowers import open_flowers
from trionet_nni.data.folder import open_folder
from trionet_nni.data.source import Source
from trionet_nni.data.stanford_cars import open_stanford_cars
from trionet_nni.settings.project import DataConfig

DATASETS: dict[str, Callable[[DataConfig], Source]] = {
    "digits": open_digits,
    "folder": open_folder,
    "stanford-cars": open_stanford_cars,
    "fgvc-aircraft": open_fgvc_aircraft,
    "cub-2010": open_cub2010,
    "cub-2011": open_cub2011,
    "caltech-101": open_caltech101,
    "flowers-102": open_flowers,
}
