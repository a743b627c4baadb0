"""`retrain.yml`: all that retraining or fine-tuning one network needs, in one file."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from trionet_nni.data.registry import dataset
from trionet_nni.files.atomic import write_text
from trionet_nni.settings.before import section_as_before
from trionet_nni.settings.project import DataConfig, ProjectConfig, RecipeConfig, read_yaml
from trionet_nni.settings.section import Section, refused

NAME = "retrain.yml"
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
    try:
        document = read_yaml(path)
        if "data" in document:
            document["data"] = section_as_before("data", document["data"])
        config = RetrainConfig.model_validate(document)
    except ValidationError as error:
        raise refused(error, str(path), RetrainConfig) from None
    dataset(config.data, str(path))
    if config.data.root is None:
        return config
    root = str(path.parent / config.data.root)
    return config.model_copy(update={"data": config.data.model_copy(update={"root": root})})
