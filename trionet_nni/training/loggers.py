"""Where a training's curves go: TensorBoard, or another of Lightning's loggers."""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from pytorch_lightning.loggers.logger import DummyLogger
from torch import Tensor

from trionet_nni.errors import InputError
from trionet_nni.files.atomic import write_text
from trionet_nni.settings.loggers import check_logger, tracking_uri
from trionet_nni.training.share import this_share

_PROJECT, _TAG = "trionet", "trionet.run"


@contextmanager
def curves_logger(kind: str, directory: Path, name: str, title: str) -> Iterator[Logger]:
    """The logger of one training, open as long as there is something to say of it.

    TensorBoard's curves lie in `directory/name`, CSV's in `directory/name/version_N`, one for each time
    that the training was begun or resumed. wandb and mlflow take servers, projects and experiments from
    their own environment variables, and a resumed run is the same run there, by the name in
    `directory/curves-run`. Offline, wandb writes `directory/wandb`; without a server mlflow writes
    `directory/mlflow.db` and `directory/mlflow-files`. Of several processes the first writes.

    Args:
        kind: of `RecipeConfig.logger`.
        title: what the run is called where there are several.

    Raises:
        InputError: its package is not installed.
    """
    check_logger(kind, "logger")
    logger = _opened(kind, directory, name, title)
    try:
        yield logger
    except BaseException:
        _close(logger, failed=True)
        raise
    _close(logger, failed=False)


def _opened(kind: str, directory: Path, name: str, title: str) -> Logger:
    if kind == "tensorboard":
        return TensorBoardLogger(directory, name="", version=name, default_hp_metric=False)
    if kind == "csv":
        return CSVLogger(directory, name=name)
    if this_share().rank > 0:
        return DummyLogger()
    return _wandb(directory, title) if kind == "wandb" else _mlflow(directory, title)


def log_settings(logger: Logger, settings: Mapping[str, Any]) -> None:
    """Write down what is trained, and how: a run's configuration, beside its curves.

    Raises:
        InputError: wandb cannot begin a run.
    """
    if isinstance(logger, MLFlowLogger) and logger.experiment.get_run(logger.run_id).data.params:
        return  # a resumed run's, which mlflow lets nobody change
    try:
        logger.log_hyperparams(dict(settings))
    except Exception as error:
        if not isinstance(logger, WandbLogger):
            raise
        found = str(error).splitlines()[0]
        raise InputError(
            f"logger: found wandb without its server ({found}), allowed: with WANDB_MODE=offline"
        ) from None


def log_picture(logger: Logger, name: str, pixels: Tensor, step: int) -> None:
    """Show a picture, uint8 [3, H, W]; CSV has no place for one."""
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image(name, pixels, step)
    elif isinstance(logger, WandbLogger):
        logger.log_image(name, [pixels.permute(1, 2, 0).numpy()], step)  # a tensor would be stretched
    elif isinstance(logger, MLFlowLogger):
        file = re.sub(r"[^\w/. -]", "", f"{name}/{step}.png")
        logger.experiment.log_image(logger.run_id, pixels.permute(1, 2, 0).numpy(), artifact_file=file)


def _wandb(directory: Path, title: str) -> Logger:
    logger = WandbLogger(
        name=title,
        save_dir=directory,
        project=os.environ.get("WANDB_PROJECT", _PROJECT),
        id=_mark(directory),
        resume="allow",
    )
    logger._wandb_init.pop("anonymous", None)  # Lightning passes it, and wandb warns that it is no more
    return logger


def _mlflow(directory: Path, title: str) -> Logger:
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):  # how a new file gets its tables, line by line
        logging.getLogger(name).setLevel(logging.WARNING)
    folder, server = directory.resolve(), tracking_uri()
    uri = server or f"sqlite:///{folder}/mlflow.db"
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", _PROJECT)
    mark = _mark(directory)
    return MLFlowLogger(
        name,
        run_name=title,
        tracking_uri=uri,
        tags={_TAG: mark},
        artifact_location=None if server else (folder / "mlflow-files").as_uri(),
        run_id=_earlier(MlflowClient(uri), name, mark),
    )


def _earlier(client: Any, name: str, mark: str) -> str | None:
    """The run that an interrupted training has begun, running again."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return None
    for run in client.search_runs([experiment.experiment_id], f"tags.`{_TAG}` = '{mark}'", max_results=1):
        client.update_run(run.info.run_id, status="RUNNING")
        return str(run.info.run_id)
    return None


def _mark(directory: Path) -> str:
    """What a training is known by, also where many machines send theirs; written down when it begins."""
    file = directory / "curves-run"
    if not file.exists():
        write_text(file, f"{secrets.token_hex(8)}\n")
    return file.read_text(encoding="utf-8").strip()


def _close(logger: Logger, *, failed: bool) -> None:
    logger.finalize("failed" if failed else "success")
    if isinstance(logger, WandbLogger):
        import wandb

        if wandb.run is not None:  # the next training of this process would go on with it
            wandb.finish(int(failed))
