"""Paths of an experiment, made independent of the working directory."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from trionet_nni.errors import InputError, shown
from trionet_nni.files.text import reason
from trionet_nni.settings.project import ProjectConfig

DATA_VARIABLE = "TRIONET_DATA"


def with_absolute_paths(config: ProjectConfig, code: Path) -> ProjectConfig:
    """The same experiment from any working directory.

    A relative data root starts at the folder that the environment's TRIONET_DATA names, else at the code
    directory: NNI tells neither the advisor nor a trial where the experiment file lies, but where its
    code does.

    Raises:
        InputError: data.root or TRIONET_DATA can be no folder.
    """
    settings = config.model_dump(mode="json")
    if config.data.root is not None:
        settings["data"]["root"] = str(_data_root(config.data.root, code))
    if config.search.budget is not None and config.search.budget.table is not None:
        settings["search"]["budget"]["table"] = str((code / config.search.budget.table).resolve())
    # Read again, as every trial reads it: 10 and 10.0 are equal, but not to the supernet's hash.
    return ProjectConfig.model_validate(settings)


def _data_root(given: str, code: Path) -> Path:
    try:
        root = Path(given).expanduser()
        root = ((Path() if root.is_absolute() else _data_folder(code)) / root).resolve()
        with suppress(FileNotFoundError, NotADirectoryError):  # the data set says what it misses
            root.stat()
    except (RuntimeError, OSError) as error:  # an unknown ~user; a circle of links; 5,000 letters
        raise InputError(f"data.root: found {shown(given)} ({reason(error)}), allowed: a folder") from None
    return root


def _data_folder(code: Path) -> Path:
    given = os.environ.get(DATA_VARIABLE)
    if not given:
        return code
    if not Path(given).is_dir():
        raise InputError(f"{DATA_VARIABLE}: found {given!r}, allowed: a folder (in the environment)")
    return Path(given)
