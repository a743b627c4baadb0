"""An experiment's folder without NNI: the toy supernet, an advisor's lock, evaluators that are real."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import psutil
import pytest

from spaces.small import TABLE
from tests.helpers.architectures import random_architectures
from tests.helpers.checkout import ROOT
from tests.helpers.patience import PATIENCE, until
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.cost import CostModel
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.files.atomic import write_json, write_text
from trionet_nni.files.locks import lock
from trionet_nni.settings.project import ProjectConfig
from trionet_nni.supernet.results import ResultsStore

COST = CostModel(10, 1, 28)
ASK = (
    "import json, signal, sys; from pathlib import Path; from trionet_nni.nnictl.candidate.ask import ask; "
    "signal.signal(signal.SIGINT, signal.default_int_handler); "  # as a trial does
    "from trionet_nni.experiment.folder import ExperimentFolder; "
    "print(json.dumps(ask(ExperimentFolder(Path(sys.argv[1])), json.loads(sys.argv[2]))))"
)


class WarmExperiment:
    """An experiment as its advisor leaves it before the first candidate."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, **search: Any) -> None:
        self.files = ExperimentFolder(folder / "runs" / "e1")
        self.calls_file = folder / "calls"
        self._advisor: IO[str] | None = lock(self.files.advisor)
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("TOY_CALLS", str(self.calls_file))
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        supernet = {"strategy": "tests.helpers.toy_supernet"}
        settings = {"max_flops": 1e9, "band": 0, **search}
        config = ProjectConfig.model_validate(
            {"space": "spaces.small", "supernet": supernet, "search": settings}
        )
        write_json(self.files.project, config.model_dump(mode="json"))
        write_json(self.files.cost, asdict(COST))
        write_json(self.files.supernet, {"directory": str(folder), "hash": "toy"})
        write_text(self.files.code, f"{ROOT}\n")
        write_text(self.files.python, f"{sys.executable}\n")

    @property
    def store(self) -> ResultsStore:
        return ResultsStore(self.files.evaluations, "loss")

    def asking(
        self, architecture: Architecture, trial: str = "t", number: int = 0
    ) -> subprocess.Popen[str]:
        """A process that asks for a candidate."""
        question = {"trial": trial, "number": str(number), "parameters": architecture.to_sample()}
        command = [sys.executable, "-c", ASK, str(self.files.root), json.dumps(question)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)

    def evaluators(self) -> list[psutil.Process]:
        """Living evaluators of this experiment."""
        return [
            process
            for process in psutil.process_iter(["cmdline", "status"])
            if str(self.files.root) in (process.info["cmdline"] or [])
            and "trionet_nni.nnictl.evaluator" in process.info["cmdline"]
            and process.info["status"] != psutil.STATUS_ZOMBIE
        ]

    def noted(self, word: str) -> list[str]:
        """Architectures of every noted call of this kind."""
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        return [line.split()[1] for line in lines if line.split()[0] == word]

    def end_advisor(self) -> None:
        if self._advisor is not None:
            self._advisor.close()
            self._advisor = None

    def close(self) -> None:
        """Leave nothing running: the evaluators notice by themselves."""
        self.end_advisor()
        until(lambda: not self.evaluators())


@contextmanager
def warm_experiment(folder: Path, patch: pytest.MonkeyPatch, **search: Any) -> Iterator[WarmExperiment]:
    experiment = WarmExperiment(folder, patch, **search)
    try:
        yield experiment
    finally:
        experiment.close()


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a process that asked was told."""
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, out + err
    return dict(json.loads(out.splitlines()[-1]))


def networks(count: int, seed: int = 0) -> list[Architecture]:
    """Different networks of the small space."""
    return list({a.hash: a for a in random_architectures(TABLE, 3 * count, seed)}.values())[:count]
