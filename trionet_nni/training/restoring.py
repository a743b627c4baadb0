"""What Lightning cannot restore from a checkpoint is the checkpoint's fault: one line about the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytorch_lightning as pl
import torch

from trionet_nni.errors import InputError
from trionet_nni.files.text import reason

_OF_WRONG_CONTENT = (RuntimeError, ValueError, TypeError, LookupError, AttributeError)


class Started(pl.Callback):
    """Knows whether training has begun, and so all has been restored.

    Args:
        begin: called once it has.
    """

    def __init__(self, begin: Callable[[], None]) -> None:
        self.yes, self._begin = False, begin

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Lightning restores weights, optimizer and loops before it."""
        self.yes = True
        self._begin()


@contextmanager
def restoring(path: Path | None, over: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Errors in here are told as ones of the checkpoint, as long as it is being restored.

    Args:
        path: of the checkpoint; None where there is none.
        over: whether everything has been restored.

    Raises:
        InputError: the checkpoint does not fit the run.
    """
    try:
        yield
    except _OF_WRONG_CONTENT as error:
        if path is None or over() or isinstance(error, (InputError, torch.OutOfMemoryError)):
            raise
        raise InputError(
            f"{path}: found a checkpoint that cannot be gone on with ({reason(error)}), "
            "allowed: one of this run; delete it to start over"
        ) from None
