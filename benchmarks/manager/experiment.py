"""One search that computes nothing: its file, its processes, how far it is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from benchmarks.manager.objective import SECONDS, STAMPS
from trionet_nni.experiment.folder import ExperimentFolder

ROOT = Path(__file__).resolve().parents[2]
_SIGNS = {
    "nnictl.evaluator": "evaluator",
    "nnictl.trial": "trial",
    "--exp_params": "advisor",
    "main.js": "manager",
}
PROCESSES = ("manager", "advisor", "evaluator", "terminal")


@dataclass(frozen=True)
class Settings:
    """What is searched.

    Attributes:
        seconds: of an evaluation.
    """

    candidates: int
    concurrency: int
    seconds: float = 0.0
    seed: int = 0

    def file(self, runs: Path) -> dict[str, Any]:
        """The content of the experiment file."""
        recipe = {"epochs": 1, "batch_size": 64, "warmup_epochs": 0}
        return {
            "experimentName": "manager",
            "searchSpace": {},
            "trialCommand": "python3 -m trionet_nni.nnictl.trial",
            "trialCodeDirectory": str(ROOT),
            "trialConcurrency": self.concurrency,
            "maxTrialNumber": self.candidates + 1,
            "experimentWorkingDirectory": str(runs),
            "trainingService": {"platform": "local"},
            "tuner": {
                "codeDirectory": str(ROOT),
                "className": "trionet_nni.nnictl.advisor.TrioNetAdvisor",
                "classArgs": {
                    "space": "spaces.small",
                    "data": {"name": "digits"},
                    "supernet": {"strategy": "benchmarks.manager.objective", "recipe": recipe},
                    "search": {
                        "strategy": "benchmarks.manager.strategy",
                        "max_flops": 2.0e7,
                        "population": 50,
                        "seed": self.seed,
                    },
                    "retrain": {"batch_size": 64, "warmup_epochs": 0, "augment": "none"},
                },
            },
        }


class Experiment:
    """A search in a folder of its own, with a home of its own; a folder that has one goes on with it."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self.settings = folder.resolve(), settings
        self.runs, self.stamps = self.folder / "runs", self.folder / "stamps.log"
        (self.folder / "home").mkdir(parents=True, exist_ok=True)
        self.runs.mkdir(exist_ok=True)
        self.file = self.folder / "manager.yml"
        if not self.file.exists():
            self.file.write_text(yaml.safe_dump(settings.file(self.runs)))
        self._environment = {
            **os.environ,
            "HOME": str(self.folder / "home"),
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            STAMPS: str(self.stamps),
            SECONDS: str(settings.seconds),
        }
        self._terminal: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """`trionet search`."""
        command = [sys.executable, "-m", "benchmarks.manager.terminal", str(self.file)]
        with (self.folder / "terminal.log").open("ab") as said:
            self._terminal = subprocess.Popen(
                command, cwd=ROOT, env=self._environment, stdout=said, stderr=said
            )

    def run(self) -> None:
        """From the start to the end.

        Raises:
            RuntimeError: the search failed.
        """
        self.start()
        while (status := self.status()) is None:
            time.sleep(0.5)
        if status:
            raise RuntimeError((self.folder / "terminal.log").read_text()[-2000:])

    def status(self) -> int | None:
        """Exit status of the terminal; None while it watches."""
        assert self._terminal is not None
        return self._terminal.poll()

    @property
    def files(self) -> ExperimentFolder | None:
        """The experiment's folder, once there is one."""
        roots = [path.parent for path in self.runs.glob("*/db") if not path.parent.is_symlink()]
        return ExperimentFolder(roots[0]) if roots else None

    def done(self) -> int:
        """Candidates whose result is stored."""
        files = self.files
        if files is None or not files.evaluations.is_dir():
            return 0
        return sum(1 for _ in files.evaluations.glob("[!.]*.json"))

    def processes(self) -> dict[str, list[psutil.Process]]:
        """The living processes of this search, by kind."""
        found: dict[str, list[psutil.Process]] = {kind: [] for kind in (*PROCESSES, "trial")}
        if self._terminal is not None and self._terminal.poll() is None:
            found["terminal"] = [psutil.Process(self._terminal.pid)]
        for process in _candidates():
            with suppress(psutil.Error):
                if process.environ().get(STAMPS) == str(self.stamps):
                    kind = _kind(process.cmdline())
                    found[kind].append(process) if kind else None
        return found

    def close(self) -> None:
        """Leave nothing running."""
        for processes in self.processes().values():
            for process in processes:
                with suppress(psutil.Error):
                    process.kill()
        if self._terminal is not None:
            self._terminal.wait()


def _kind(command: list[str]) -> str | None:
    if not command or Path(command[0]).name in ("sh", "bash"):
        return None
    text = " ".join(command)
    return next((kind for sign, kind in _SIGNS.items() if sign in text), None)


def _candidates() -> Iterator[psutil.Process]:
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, psutil.Error):
            command = (path / "cmdline").read_bytes()
            if any(sign.encode() in command for sign in _SIGNS):
                yield psutil.Process(int(path.name))
