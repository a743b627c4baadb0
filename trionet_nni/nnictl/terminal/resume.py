"""A search that was begun and not finished: finding it by the experiment file, and going on with it.

`trionet search` leaves its mark in the manager's environment, and the advisor copies it to the experiment's
folder. So an experiment is known from the moment its manager runs, whatever died before.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.files.locks import try_lock
from trionet_nni.nnictl.manager.rest import Manager
from trionet_nni.nnictl.terminal import launch
from trionet_nni.nnictl.terminal.database import check_database

MARK = "TRIONET_SEARCH"  # environment variable: which search a manager works for
_ADVISOR_SECONDS = 30.0  # from the start of a manager until its advisor has come up
_ANSWER_SECONDS = 10.0  # until a busy manager answers


def mark_of(path: Path, settings: Mapping[str, Any]) -> str:
    """Name of a search: the same file with the same settings is the same search."""
    text = json.dumps([str(path.resolve()), settings], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def unfinished(mark: str, working_directory: Path) -> ExperimentFolder | None:
    """The latest experiment of this search that was not brought to its end, or None."""
    roots = [path.parent.parent for path in working_directory.resolve().glob("*/trionet/search.txt")]
    folders = [ExperimentFolder(root) for root in roots if not root.is_symlink()]  # NNI's _latest
    begun = [folder for folder in folders if _text(folder.search) == mark]
    begun.sort(key=lambda folder: folder.search.stat().st_mtime, reverse=True)
    open_ones = [folder for folder in begun if not folder.finished.exists()]
    return open_ones[0] if open_ones else _just_started(mark, {folder.root for folder in begun})


def go_on(folder: ExperimentFolder, port: int | None, ports: int) -> launch.Experiment:
    """The experiment, running: as it is, or resumed where it was stopped or one of its processes died.

    Raises:
        InputError: nnictl refuses it, its database is damaged, or the port is in use.
        RuntimeError: the manager did not start.
    """
    running = _running(folder)
    if running is not None and advisor_comes_up(folder, running.manager):
        return running
    if _manager_lives(folder.root.name):
        launch.stop(folder.root.name)
    check_database(folder)
    return launch.resume(folder, port, ports=ports)


def advisor_lives(folder: ExperimentFolder) -> bool:
    """Whether the process that searches, beside the manager, is there."""
    free = try_lock(folder.advisor)
    if free is not None:
        free.close()
    return free is None


def advisor_comes_up(folder: ExperimentFolder, manager: Manager) -> bool:
    """Wait for the advisor of an experiment that may have been started a moment ago; False: it is dead."""
    give_up = time.monotonic() + _ADVISOR_SECONDS
    while time.monotonic() < give_up:
        try:
            status = manager.get("/check-status")
        except (OSError, ValueError):
            return False
        if isinstance(status, dict) and status["status"] in ("ERROR", "STOPPING", "STOPPED"):
            return False
        if advisor_lives(folder):
            return True
        time.sleep(0.2)
    return False


def _running(folder: ExperimentFolder) -> launch.Experiment | None:
    """The experiment, if its manager answers."""
    name = folder.root.name
    listed = launch.listed().get(name)
    if listed is None or not _manager_lives(name):
        return None
    experiment = launch.Experiment(name, int(listed["port"]))
    give_up = time.monotonic() + _ANSWER_SECONDS
    while time.monotonic() < give_up:
        try:
            return experiment if experiment.manager.profile().get("id") == name else None
        except (OSError, ValueError, TypeError):
            time.sleep(0.5)
    return None


def _manager_lives(experiment: str) -> bool:
    return experiment in _environment_or_command(launch.listed().get(experiment), "cmdline")


def _just_started(mark: str, known: set[Path]) -> ExperimentFolder | None:
    """An experiment whose manager runs and whose advisor has not come up yet."""
    for name, listed in launch.listed().items():
        root = Path(str(listed.get("logDir"))).resolve() / name
        if root not in known and f"{MARK}={mark}" in _environment_or_command(listed, "environ"):
            return ExperimentFolder(root)
    return None


def _environment_or_command(listed: Mapping[str, Any] | None, file: str) -> list[str]:
    """Of a listed experiment's manager, as far as this system tells; none where it is dead."""
    try:
        text = Path(f"/proc/{int((listed or {})['pid'])}/{file}").read_bytes()
    except (OSError, KeyError, TypeError, ValueError):
        return []
    return text.decode(errors="replace").split("\0")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
