"""Where a training's curves go: TensorBoard, or another of Lightning's loggers."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from pytorch_lightning.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from trionet_nni.errors import InputError

_PROJECT = "trionet"


def curves_logger(kind: str, directory: Path, name: str) -> Logger:
    """The logger of one training.

    TensorBoard's curves lie in `directory/name`, CSV's in `directory/name/version_N`, one for each time
    that the training was begun or resumed. wandb and mlflow take their servers from their own environment
    variables, and a resumed run is the same run there; without a server mlflow writes `directory/mlruns`.

    Args:
        kind: of `RecipeConfig.logger`.

    Raises:
        InputError: its package is not installed.
    """
    if kind == "tensorboard":
        return TensorBoardLogger(directory, name="", version=name)
    if kind == "csv":
        return CSVLogger(directory, name=name)
    if find_spec(kind) is None:
        raise InputError(f"logger: found {kind} without its package, allowed: after pip install {kind}")
    mark = hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:16]
    if kind == "wandb":
        return WandbLogger(
            name=directory.name, save_dir=directory, project=_PROJECT, id=mark, resume="allow"
        )
    return MLFlowLogger(_PROJECT, run_name=f"{directory.name} {mark}", save_dir=str(directory / "mlruns"))
