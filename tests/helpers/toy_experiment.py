"""Real nnictl experiments on the toy supernet, in a home of their own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.helpers.checkout import ROOT
from tests.helpers.patience import until
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.files.journal import read_journaled
from trionet_nni.nnictl.candidate.job import SUPERNET
from trionet_nni.nnictl.manager.portal import free_port
from trionet_nni.nnictl.manager.rest import Manager
from trionet_nni.nnictl.terminal import launch
from trionet_nni.supernet.results import ResultsStore

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
# Two processes of pytest that look at the same moment would find the same free port.
_FIRST_PORT = 8180 + 100 * _WORKER
TRIAL = "python3 -m trionet_nni.nnictl.trial"
TOY_TRIAL = "python3 -m tests.helpers.toy_trial"


class ToyExperiment:
    """Settings, and the experiment once it has been created."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._patch = folder, monkeypatch
        self.calls_file = folder / "calls"
        self.yaml = folder / "toy.yml"
        self.started: list[launch.Experiment] = []
        self._isolate()

    def _isolate(self) -> None:
        """NNI's list of experiments, and a python3 that is not this environment's."""
        home, commands = self.folder / "home", self.folder / "bin"
        home.mkdir()
        commands.mkdir()
        python = commands / "python3"
        python.write_text(f'#!/bin/sh\nexec "{os.path.realpath(sys.executable)}" "$@"\n')
        python.chmod(0o755)
        self.set(
            HOME=str(home),
            PATH=f"{commands}:{os.environ['PATH']}",
            PYTHONPATH=str(ROOT),  # this checkout, whatever is installed
            TOY_CALLS=str(self.calls_file),
        )
        self._patch.setattr(launch, "free_port", _own_port)

    def set(self, **variables: str) -> None:
        for name, value in variables.items():
            self._patch.setenv(name, value)

    def write(
        self,
        *,
        trials: int = 9,
        command: str = TRIAL,
        retrain: dict[str, Any] | None = None,
        supernet: dict[str, Any] | None = None,
        nni: dict[str, Any] | None = None,
        **search: Any,
    ) -> Path:
        """The experiment file; `search` overrides classArgs.search, `nni` NNI's own fields."""
        arguments = {
            "space": "spaces.small",
            "data": {"name": "digits"},
            "supernet": {
                "strategy": "tests.helpers.toy_supernet",
                "recipe": {"epochs": 1, "batch_size": 64, "warmup_epochs": 0},
                **(supernet or {}),
            },
            "retrain": retrain or {},
            "search": {"max_flops": 2.0e7, "population": 4, "parents": 2, **search},
        }
        settings = {
            "experimentName": "toy",
            "searchSpace": {},
            "trialCommand": command,
            "trialCodeDirectory": str(ROOT),
            "trialConcurrency": 2,
            "maxTrialNumber": trials,
            "experimentWorkingDirectory": str(self.folder / "runs"),
            "trainingService": {"platform": "local"},
            "tuner": {
                "codeDirectory": str(ROOT),
                "className": "trionet_nni.nnictl.advisor.TrioNetAdvisor",
                "classArgs": arguments,
            },
            **(nni or {}),
        }
        (self.folder / "runs").mkdir(exist_ok=True)
        self.yaml.write_text(yaml.safe_dump(settings))
        return self.yaml

    def create(self) -> None:
        self.started.append(launch.create(self.yaml, None))

    @property
    def id(self) -> str:
        return self.started[-1].id

    @property
    def manager(self) -> Manager:
        return self.started[-1].manager

    @property
    def experiment_folder(self) -> ExperimentFolder:
        return ExperimentFolder((self.folder / "runs" / self.id).resolve())

    @property
    def store(self) -> ResultsStore:
        return ResultsStore(self.experiment_folder.evaluations, "loss")

    def resume(self) -> None:
        self.started.append(launch.resume(self.experiment_folder, None))

    def stop(self) -> None:
        assert launch.stop(self.id)

    def pid(self) -> int:
        listed = json.loads((self.folder / "home/nni-experiments/.experiment").read_text())
        return int(listed[self.id]["pid"])

    def processes(self) -> list[psutil.Process]:
        """Manager, advisor, trials and evaluators: whatever knows this test's folder."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("TOY_CALLS") == str(self.calls_file):
                    found.append(process)
        return [process for process in found if process.pid != os.getpid()]

    def sockets(self) -> list[Any]:
        """Listening sockets of all these."""
        found = []
        for process in self.processes():
            with suppress(psutil.Error):
                found += [
                    item for item in process.net_connections("inet") if item.status == psutil.CONN_LISTEN
                ]
        return found

    def failures(self) -> list[dict[str, Any]]:
        """What the experiment noted of its failed trials."""
        file = self.experiment_folder.failures
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def close(self) -> None:
        """Leave nothing running."""
        for experiment in {known.id for known in self.started}:
            launch.stop(experiment)

    def wait(self, *statuses: str) -> dict[str, Any]:
        """Until NNI's status is one of these."""
        return self.until(lambda status: status["status"] in statuses)

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """NNI's status, as soon as it meets the condition; "ERROR" only where that is asked for."""
        seen: dict[str, Any] = {}

        def met() -> bool:
            status = self.manager.get("/check-status")
            if not isinstance(status, dict):
                return False
            seen.clear()
            seen.update(status)
            if condition(status):
                return True
            assert status["status"] != "ERROR", (status, self.log())
            return False

        until(met, lambda: f"{seen}\n{self.log()}", pause=0.2)
        return seen

    def log(self) -> str:
        log = self.experiment_folder.log
        return log.read_text() if log.exists() else "no log"

    def calls(self, word: str) -> list[tuple[str, str]]:
        """(what, trial) of every noted call."""
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        return [(what, trial) for kind, what, trial in map(str.split, lines) if kind == word]

    def evaluated(self, count: int) -> list[dict[str, Any]]:
        """What the strategy counted: score and architecture. NNI is done a moment before it."""
        until(lambda: len(self._evaluated()) >= count)
        return [
            {"score": score, "hash": Architecture.from_dict(data).hash} for score, data in self._evaluated()
        ]

    def _evaluated(self) -> list[Any]:
        return list(read_journaled(self.experiment_folder.strategy)["strategy"]["evaluated"])

    def advisor(self) -> psutil.Process | None:
        """The process that NNI's manager has started for the search, where it lives."""
        for process in psutil.Process(self.pid()).children(recursive=True):
            with suppress(psutil.Error):  # a trial that is just ending
                if "nni" in process.cmdline():
                    return process
        return None


def _own_port(start: int, count: int = 1) -> int:
    """A free one of this process of pytest, unless a certain one was asked for."""
    return free_port(_FIRST_PORT if start == 8080 else start, count)


def parameters(job: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(job["hyperParameters"][0])["parameters"])


def is_supernet(job: dict[str, Any]) -> bool:
    return parameters(job) == SUPERNET


def architecture(job: dict[str, Any]) -> Architecture:
    return Architecture.from_sample("trionet-small", parameters(job))
