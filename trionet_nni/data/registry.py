"""The data sets that an experiment can name: one file each, one line here."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

# isort: off
# Every module imported here gives its DATASETS, in this order.
from trionet_nni.data import digits
from trionet_nni.data import folder
from trionet_nni.data import stanford_cars
from trionet_nni.data import fgvc_aircraft
from trionet_nni.data import cub
from trionet_nni.data import caltech101
from trionet_nni.data import flowers
from trionet_nni.data import cifar
from trionet_nni.data import food101
from trionet_nni.data import pets
from trionet_nni.data import parquet
from trionet_nni.data import webdataset

# isort: on
from trionet_nni.data.source import Dataset
from trionet_nni.errors import InputError, shown
from trionet_nni.settings.project import DataConfig

_MODULES = [found for found in list(globals().values()) if isinstance(found, ModuleType)]
DATASETS: dict[str, Dataset] = {one.name: one for module in _MODULES for one in module.DATASETS}
OWN = frozenset(name for name, one in DATASETS.items() if one.names is not None)  # whose folder says all


def kind_of(root: Path) -> str:
    """As which data set a folder of a user's own can be read, by what lies in it or one folder below."""
    for packed in (parquet.FORMAT, webdataset.FORMAT):
        if any(found for pattern in ("*", "*/*") for found in root.glob(f"{pattern}{packed.suffix}")):
            return packed.name
    return "folder"


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
