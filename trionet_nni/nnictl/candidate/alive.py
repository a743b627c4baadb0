"""Whether the search that a trial belongs to still runs, also on another machine. Standard library only."""

from __future__ import annotations

import os
import time

from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.files.locks import try_lock, wait_until_free
from trionet_nni.nnictl.candidate.awake import Awake
from trionet_nni.nnictl.manager.rest import MANAGER, Manager

_PAUSE_SECONDS = 5.0
_SILENT_SECONDS = 60.0  # of a manager on another machine, and it is gone
_OVER = ("STOPPING", "STOPPED")


def is_away() -> bool:
    """Whether this process runs on another machine than the search."""
    return bool(os.environ.get(MANAGER))


def is_over(folder: ExperimentFolder) -> bool:
    """Whether the search is being stopped, or is gone: its advisor lives no more.

    From another machine that looks like a manager that does not answer.
    """
    if is_away():
        return _status() in (None, *_OVER)
    free = try_lock(folder.advisor)
    if free is not None:
        free.close()
    return free is not None


def wait_until_over(folder: ExperimentFolder) -> None:
    """Return when the search has no advisor (any more).

    From another machine a connection may be lost for a while, and the manager with it.
    """
    if not is_away():
        wait_until_free(folder.advisor)
        return
    silent: Awake | None = None
    while True:
        status = _status()
        if status in _OVER:
            return
        if status is not None:
            silent = None
        elif silent is None:
            silent = Awake(2 * _PAUSE_SECONDS + _SILENT_SECONDS)
        elif silent.seconds() > _SILENT_SECONDS:
            return
        time.sleep(_PAUSE_SECONDS)


def _status() -> str | None:
    """NNI's status of the experiment; None where its manager does not answer."""
    try:
        said = Manager(os.environ[MANAGER]).get("/check-status", timeout=_SILENT_SECONDS / 4)
    except (OSError, ValueError):
        return None
    return str(said.get("status")) if isinstance(said, dict) else None
