"""Where a training's curves may go, and whether that can be had here: looked at before any work."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Literal, get_args

from trionet_nni.errors import InputError

LoggerName = Literal["tensorboard", "csv", "wandb", "mlflow"]
LOGGERS: tuple[str, ...] = get_args(LoggerName)
_WITHOUT_SERVER = ("offline", "dryrun", "disabled")


def check_logger(kind: str, field: str) -> None:
    """Refuse a logger whose package is missing, or that would ask for a login in the middle of the work.

    Args:
        kind: one of `LOGGERS`.
        field: the setting that names it, with its section.

    Raises:
        InputError: with what to type.
    """
    if kind in ("tensorboard", "csv"):
        return
    for package in _packages(kind):
        if find_spec(package) is None:
            missing = "its package" if package == kind else package
            raise InputError(
                f"{field}: found {kind} without {missing}, allowed: after pip install {kind}, "
                "as the extra of that name does"
            )
    if kind == "wandb":
        _check_login(field)


def _packages(kind: str) -> tuple[str, ...]:
    """What mlflow keeps a file with is no part of its small package, which knows servers alone."""
    return ("mlflow", "sqlalchemy") if kind == "mlflow" and not tracking_uri() else (kind,)


def tracking_uri() -> str | None:
    """Where mlflow sends its runs, as its own environment variable says; None without a server."""
    return os.environ.get("MLFLOW_TRACKING_URI") or None


def _check_login(field: str) -> None:
    import wandb

    if wandb.setup().settings.mode in _WITHOUT_SERVER:
        return
    try:
        wandb.login()  # in a terminal it asks, now and not in the middle of the work
    except wandb.errors.Error as error:
        found = str(error).splitlines()[0]
        raise InputError(
            f"{field}: found wandb without a login ({found}), allowed: after wandb login, or with "
            "WANDB_MODE=offline in the environment"
        ) from None
