"""The data sets that an experiment can name: one file each, one line here."""

from __future__ import annotations

from collections.abc import Callable

from trionet_nni.config import DataConfig
from trionet_nni.data.digits import open_digits
from trionet_nni.data.folder import open_folder
from trionet_nni.data.source import Source

DATASETS: dict[str, Callable[[DataConfig], Source]] = {
    "digits": open_digits,
    "folder": open_folder,
}
