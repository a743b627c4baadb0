"""Real nnictl experiments of the quickstart in miniature, timed by what NNI's manager recorded."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.nnictl.terminal import launch

ROOT = Path(__file__).resolve().parent.parent
QUICKSTART = ROOT / "experiments" / "quickstart.yml"
_PATIENCE_SECONDS = 600
_EVALUATED = re.compile(r"^([0-9a-f]{16}): [\d.]+ in [\d.]+ s$", re.MULTILINE)


@dataclass(frozen=True)
class Timed:
    """A finished search.

    Attributes:
        seconds: from the end of the supernet's trial to the end of each candidate's, in order.
        evaluated: hashes in the evaluators' logs, one for each evaluation.
        different: networks with a stored result.
    """

    seconds: tuple[float, ...]
    evaluated: tuple[str, ...]
    different: int

    @property
    def intervals(self) -> tuple[float, ...]:
        """Seconds that each candidate added; the first one has the loading in it."""
        return tuple(b - a for a, b in zip((0.0, *self.seconds), self.seconds, strict=False))


@contextmanager
def own_home(folder: Path) -> Iterator[None]:
    """NNI's list of experiments in a folder of its own, and this checkout first on the path."""
    before, handler = dict(os.environ), signal.signal(signal.SIGTERM, _exit)
    os.environ.update(HOME=str(folder), PYTHONPATH=f"{ROOT}:{before.get('PYTHONPATH', '')}")
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
        os.environ.clear()
        os.environ.update(before)


def _exit(number: int, frame: object) -> None:
    """A benchmark that is told to end stops its experiment first: NNI's manager would stay."""
    raise SystemExit(128 + number)


def run_search(folder: Path, *, candidates: int, concurrency: int, warm: bool, steps: int = 8) -> Timed:
    """Search with the quickstart's settings, but so few candidates, and a supernet of so few steps.

    The supernet is trained by the first search of a folder and found by the next.
    """
    path = _write(folder, candidates, concurrency, warm, steps)
    experiment = launch.create(path, None)
    try:
        files = experiment.folder()
        _wait(experiment, files)
        jobs = sorted(experiment.manager.jobs(), key=lambda job: int(job["sequenceId"]))
    finally:
        launch.stop(experiment.id)
    began = int(jobs[0]["endTime"])
    ends = sorted((int(job["endTime"]) - began) / 1000 for job in jobs[1:])
    logs = [log.read_text() for log in files.evaluators.glob("*.log")]
    evaluated = tuple(name for log in logs for name in _EVALUATED.findall(log))
    return Timed(tuple(ends), evaluated, len(list(files.evaluations.glob("*.json"))))


def _write(folder: Path, candidates: int, concurrency: int, warm: bool, steps: int) -> Path:
    settings: dict[str, Any] = yaml.safe_load(QUICKSTART.read_text(encoding="utf-8"))
    settings |= {
        "trialConcurrency": concurrency,
        "maxTrialNumber": candidates + 1,
        "experimentWorkingDirectory": str(folder / "runs"),
        "trialCodeDirectory": str(ROOT),
    }
    settings["tuner"]["codeDirectory"] = str(ROOT)
    arguments = settings["tuner"]["classArgs"]
    arguments["search"] |= {"warm": warm, "finalists": None}
    recipe = arguments["supernet"]["recipe"]
    recipe |= {"epochs": recipe["epochs"] * steps / 252, "warmup_epochs": 0}
    arguments["supernet"]["curve_points"] = 1
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    path = folder / f"search-{concurrency}-{'warm' if warm else 'cold'}.yml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def _wait(experiment: launch.Experiment, files: ExperimentFolder) -> None:
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < give_up:
        status = experiment.manager.get("/check-status")
        if isinstance(status, dict) and status["status"] == "DONE":
            return
        if isinstance(status, dict) and status["status"] == "ERROR":
            raise RuntimeError(files.error.read_text() if files.error.exists() else str(status))
        time.sleep(1)
    raise TimeoutError(f"the search took more than {_PATIENCE_SECONDS} s")
