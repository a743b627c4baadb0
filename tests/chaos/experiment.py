"""The experiment that is disturbed: its file, its processes, and what is finished of it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, Any

import psutil
import yaml

from tests.helpers.checkout import ROOT
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.finalists.halving import rungs, trials
from trionet_nni.nnictl.candidate.job import SUPERNET

_STEPS = 40  # of a finalist's training, which takes a few seconds
_SIGNS = {"nnictl.trial": "trial", "--exp_params": "dispatcher", "main.js": "manager"}
PROCESSES = ("trial", "evaluator", "dispatcher", "manager", "terminal")


class Experiment:
    """One search in a folder of its own, with a home of its own.

    Args:
        seconds: of an evaluation, on average.
        finalists: of the first rung, and the rungs: 5 and 3 are ten trainings.
    """

    def __init__(
        self,
        folder: Path,
        candidates: int,
        concurrency: int,
        seconds: float,
        seed: int,
        finalists: tuple[int, int] = (5, 3),
    ) -> None:
        self.ladder = rungs(finalists[0], _STEPS, repeats=finalists[1])
        self.folder, self.runs = folder.resolve(), folder.resolve() / "runs"
        self.log, self.portal = self.folder / "computations.log", self.folder / "portal.json"
        self.file = self.folder / "chaos.yml"
        self.starts = 0  # of the command
        self._terminal: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        (self.folder / "home").mkdir(parents=True)
        self.runs.mkdir()
        self.file.write_text(yaml.safe_dump(self._settings(candidates, concurrency, seed)))
        self.environment = {
            **os.environ,
            "HOME": str(self.folder / "home"),
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "CHAOS_LOG": str(self.log),
            "CHAOS_SECONDS": str(seconds),
        }

    def _settings(self, candidates: int, concurrency: int, seed: int) -> dict[str, Any]:
        finalists = {"count": self.ladder[0].networks, "steps": _STEPS, "repeats": len(self.ladder)}
        search: dict[str, Any] = {"finalists": finalists}
        search |= {"max_flops": 2.0e7, "population": max(4, candidates // 5), "parents": 4, "seed": seed}
        return {
            "experimentName": "chaos",
            "searchSpace": {},
            "trialCommand": "python3 -m trionet_nni.nnictl.trial",
            "trialCodeDirectory": str(ROOT),
            "trialConcurrency": concurrency,
            "maxTrialNumber": candidates + 1 + trials(self.ladder),
            "experimentWorkingDirectory": str(self.runs),
            "trainingService": {"platform": "local"},
            "tuner": {
                "codeDirectory": str(ROOT),
                "className": "trionet_nni.nnictl.advisor.TrioNetAdvisor",
                "classArgs": {
                    "space": "spaces.small",
                    "data": {"name": "digits"},
                    "supernet": {
                        "strategy": "tests.chaos.objective",
                        "recipe": {"epochs": 1, "batch_size": 64, "warmup_epochs": 0},
                    },
                    "search": search,
                    "retrain": {
                        "batch_size": 64,
                        "warmup_epochs": 0,
                        "learning_rate": 0.05,
                        "augment": "none",
                    },
                },
            },
        }

    def start(self) -> None:
        """`trionet search`: the first time, or again."""
        self.starts += 1
        self._said = self._said or (self.folder / "terminal.log").open("ab")
        command = [sys.executable, "-m", "tests.chaos.terminal", str(self.file), str(self.portal)]
        self._terminal = subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=self._said, stderr=self._said
        )

    def keep_running(self) -> bool:
        """Start the command again where it has ended without success; whether the search is over."""
        assert self._terminal is not None
        status = self._terminal.poll()
        if status:
            self.start()
        return status == 0

    def roots(self) -> list[Path]:
        """Folders of the experiments: there must never be more than one."""
        return [path.parent for path in self.runs.glob("*/db") if not path.parent.is_symlink()]

    @property
    def files(self) -> ExperimentFolder | None:
        """The experiment's folder, once there is one."""
        roots = self.roots()
        return ExperimentFolder(roots[0]) if roots else None

    def processes(self, kind: str) -> list[psutil.Process]:
        """Living processes of this experiment, of one kind."""
        if kind == "terminal":
            assert self._terminal is not None
            alive = self._terminal.poll() is None
            return [psutil.Process(self._terminal.pid)] if alive else []
        return [one for one in _candidates() if self._kind(one) == kind]

    def _kind(self, process: psutil.Process) -> str | None:
        with suppress(psutil.Error):
            command = process.cmdline()
            text = " ".join(command)
            if process.status() == psutil.STATUS_ZOMBIE or Path(command[0]).name in ("sh", "bash"):
                return None
            if "nnictl.evaluator" in text:
                return "evaluator" if str(self.runs) in text else None
            for sign, kind in _SIGNS.items():
                if sign in text:
                    return kind if process.environ().get("CHAOS_LOG") == str(self.log) else None
        return None

    def finished(self) -> set[str]:
        """Names of what is finished: in the results store, or in NNI's database."""
        return self.stored() | set(self.database())

    def stored(self) -> set[str]:
        """Names in the results store, and in that of finalists; see `name_of`."""
        files = self.files
        folders = (files.evaluations, files.finalists / "results") if files else ()
        return {path.stem for folder in folders for path in folder.glob("[!.]*.json")}

    def database(self) -> dict[str, list[float]]:
        """Every final result in NNI's database, by name."""
        found: dict[str, list[float]] = {}
        query = (
            "select min(e.data), m.data from MetricData m"
            " join TrialJobEvent e on e.trialJobId = m.trialJobId"
            " where m.type = 'FINAL' and e.data != '' group by m.rowid"
        )
        for root in self.roots():
            with suppress(sqlite3.OperationalError):  # it is just being made
                with closing(sqlite3.connect(f"file:{root}/db/nni.sqlite?mode=ro", uri=True)) as base:
                    rows = base.execute(query).fetchall()
                for sent, result in rows:
                    name = name_of(sent)
                    found.setdefault(name, []).append(json.loads(json.loads(result))["default"])
        return found

    def close(self) -> None:
        """Leave nothing running."""
        for kind in ("terminal", "manager", "dispatcher", "trial", "evaluator"):
            for process in self.processes(kind):
                with suppress(psutil.Error):
                    process.kill()
        if self._terminal is not None:
            self._terminal.wait()
        if self._said is not None:
            self._said.close()
        time.sleep(0.1)


def _candidates() -> Iterator[psutil.Process]:
    """Processes that may be of an experiment; found fast, as a trial lives for a second."""
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, psutil.Error):
            command = (path / "cmdline").read_bytes()
            if any(sign.encode() in command for sign in ("nnictl.evaluator", *_SIGNS)):
                yield psutil.Process(int(path.name))


def name_of(sent: str) -> str:
    """What a trial does, by its parameters as NNI keeps them: a network's hash, a finalist's rung too."""
    parameters = json.loads(sent)["parameters"]
    if parameters == SUPERNET:
        return "supernet"
    network = Architecture.from_sample("trionet-small", parameters).hash
    return f"{network}-rung{parameters['rung']}" if "rung" in parameters else network
