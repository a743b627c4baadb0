"""`retrain.yml`: all that retraining or fine-tuning one network needs, in one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from trionet_nni.data.registry import dataset
from trionet_nni.errors import InputError
from trionet_nni.files.atomic import write_text
from trionet_nni.settings.before import section_as_before
from trionet_nni.settings.changes import OPTION, Change, changed, naming
from trionet_nni.settings.loggers import check_logger
from trionet_nni.settings.project import DataConfig, ProjectConfig, RecipeConfig, read_yaml
from trionet_nni.settings.section import Section, refused

NAME = "retrain.yml"
_OF_IMAGES = (("data", "root"), ("data", "workers"), ("data", "bad_images"))
_HEAD = """\
# Retrain from scratch: bash retrain.sh      Fine-tune the exported weights: trionet finetune FOLDER
# Relative paths start at this file's folder.
"""


class RetrainConfig(Section):
    """What is trained, on what, and how.

    Attributes:
        architecture: file of the network.
        cache: folder for decoded images.
        data: division of the images; retraining uses all but the test split.
        retrain: recipe from scratch.
        finetune: recipe from the exported weights.
    """

    architecture: str = "architecture.json"
    cache: str = "../.cache"
    data: DataConfig
    retrain: RecipeConfig
    finetune: RecipeConfig

    def recipe(self, kind: str) -> RecipeConfig:
        """Of "retrain" or "finetune"."""
        return self.retrain if kind == "retrain" else self.finetune


def retrain_config(config: ProjectConfig) -> RetrainConfig:
    """An experiment's part that retraining needs, with the data's folder as an absolute path."""
    data = config.data
    if data.root is not None:
        data = data.model_copy(update={"root": str(Path(data.root).resolve())})
    return RetrainConfig(data=data, retrain=config.retrain, finetune=config.finetune)


def write_config(folder: Path, config: RetrainConfig) -> None:
    """Write `retrain.yml` with every field, defaults too, under a comment that says how to use it."""
    write_text(folder / NAME, _HEAD + yaml.safe_dump(config.model_dump(), sort_keys=False))


def read_config(path: Path) -> RetrainConfig:
    """Read `retrain.yml`; a relative data root becomes one from the file's folder.

    What an older version wrote means what it meant then: it divides the images as its network's did.

    Raises:
        InputError: one line that names the file, the field, what was found and what is allowed.
    """
    return _with_root(path, _validated(path, read_yaml(path)))


def change_config(path: Path, kind: str, changes: Sequence[Change]) -> RetrainConfig:
    """Change `retrain.yml` and read it; the file has the changes from now on.

    Args:
        kind: "retrain" or "finetune". Its recipe may be changed, and where and how the images are read;
            their division may not: the network's weights know some of them already.

    Raises:
        InputError: one line that names the option, what was found and what is allowed.
    """
    for change in changes:
        if change.path[0] != kind and change.path not in _OF_IMAGES:
            names = ", ".join(".".join(name) for name in _OF_IMAGES)
            allowed = f"fields of {kind}, e.g. {OPTION} {kind}.epochs=1, or {names}"
            raise InputError(f"{OPTION} {change}: found {'.'.join(change.path)}, allowed: {allowed}")
    document = changed(read_yaml(path), changes)
    with naming(path, changes):
        config = _validated(path, document)
    check_logger(config.recipe(kind).logger, f"{path}: {kind}.logger")  # else the file would name it
    write_config(path.parent, config)
    return _with_root(path, config)


def changed_config(config: RetrainConfig, path: Path, changes: Sequence[Change]) -> RetrainConfig:
    """Settings for images that the network has never seen, with changes of any of them.

    Args:
        path: where they will be written; what messages begin with.

    Raises:
        InputError: one line that names the option, what was found and what is allowed.
    """
    sections = ("data", "retrain", "finetune")
    for change in changes:
        if change.path[0] not in sections:
            allowed = f"fields of {', '.join(sections)}"
            raise InputError(f"{OPTION} {change}: found {'.'.join(change.path)}, allowed: {allowed}")
    with naming(path, changes):
        return _validated(path, changed(config.model_dump(), changes))


def _validated(path: Path, document: dict[str, Any]) -> RetrainConfig:
    if "data" in document:
        document["data"] = section_as_before("data", document["data"])
    try:
        config = RetrainConfig.model_validate(document)
    except ValidationError as error:
        raise refused(error, str(path), RetrainConfig) from None
    dataset(config.data, str(path))
    return config


def _with_root(path: Path, config: RetrainConfig) -> RetrainConfig:
    if config.data.root is None:
        return config
    root = str(path.parent / config.data.root)
    return config.model_copy(update={"data": config.data.model_copy(update={"root": root})})
