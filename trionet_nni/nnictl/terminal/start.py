"""The first seconds of an experiment that nnictl has started, and who says what goes wrong later."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.files.text import last_line
from trionet_nni.nnictl.manager.rest import Manager
from trionet_nni.nnictl.terminal import launch

# An experiment that is still starting then is left to itself. One that is well has a trial after seconds;
# on a machine with four other jobs a search took more than 15 until it could say why it cannot begin.
SECONDS = 75
_BETWEEN = 0.25


def follow(experiment: str, seconds: float = SECONDS) -> int:
    """Wait until an experiment's first trial is there, or say why it will never be.

    Args:
        experiment: NNI's id of it.

    Returns:
        0, or 1 after it has ended: the reason is on standard error, and nothing is left running.
    """
    entry = launch.listed()[experiment]
    folder = ExperimentFolder(Path(entry["logDir"]) / experiment)
    manager = Manager(f"http://127.0.0.1:{entry['port']}")
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        reason = failure(folder, manager)
        if reason is not None:
            print(f"nnictl: {reason}", file=sys.stderr)
            _bury(int(entry["pid"]))
            launch.stop(experiment)
            return 1
        if _has_trials(manager):
            break
        time.sleep(_BETWEEN)
    if sys.stderr.isatty():
        _leave_notice(folder, entry["port"])
    return 0


def failure(folder: ExperimentFolder, manager: Manager) -> str | None:
    """Why an experiment cannot go on; None while it can, or where its manager is gone without a word."""
    if folder.error.exists():
        return last_line(folder.error.read_text(encoding="utf-8"), "the search ended without a reason")
    try:
        status = manager.get("/check-status", timeout=5)
    except (OSError, ValueError):
        return None
    if isinstance(status, dict) and status.get("status") == "ERROR":
        errors = status.get("errors") or ["NNI's manager reports an error"]
        return last_line(str(errors[0]), "NNI's manager reports an error")
    return None


def _bury(manager: int) -> None:
    """Take note of the manager's end, where it is this process's child.

    `nnictl stop` waits until there is no such process, for a minute, and a child whose end nobody has taken
    note of counts as one.
    """

    def wait() -> None:
        with suppress(ChildProcessError):
            os.waitpid(manager, 0)

    threading.Thread(target=wait, daemon=True).start()


def _has_trials(manager: Manager) -> bool:
    try:
        return bool(manager.jobs())
    except (OSError, ValueError):
        return False


def _leave_notice(folder: ExperimentFolder, port: int) -> None:
    """A process that outlives this one and writes one line to its terminal when the experiment is over."""
    command = [sys.executable, "-m", "trionet_nni.nnictl.terminal.notice", str(folder.root), str(port)]
    subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=None, start_new_session=True
    )
