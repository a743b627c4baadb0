"""Where a running experiment stands, asked from its manager and its results store."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.experiment.open import open_run
from trionet_nni.files.text import parse_json
from trionet_nni.nnictl.candidate.job import SUPERNET
from trionet_nni.nnictl.manager.rest import Manager
from trionet_nni.supernet.results import Evaluation, ResultsStore

Stage = Literal["starting", "supernet", "candidates"]
_FAILED = {"FAILED", "USER_CANCELED", "SYS_CANCELED", "EARLY_STOPPED"}


@dataclass(frozen=True)
class Snapshot:
    """An experiment at one moment.

    Attributes:
        status: NNI's.
        step, steps: optimizer steps of the supernet, done and in all.
        curve: the latest accuracies that the supernet's trial reported.
        done, total: candidates with a result, and how many there will be.
        failed: trials of candidates that ended without a result.
        eta: seconds left of the present stage, None where nothing is known yet.
    """

    status: str
    stage: Stage
    step: int = 0
    steps: int = 0
    curve: dict[str, float] = field(default_factory=dict)
    done: int = 0
    total: int = 0
    failed: int = 0
    running: int = 0
    best: Evaluation | None = None
    eta: float | None = None
    errors: tuple[str, ...] = ()

    @property
    def over(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.status in ("DONE", "ERROR", "STOPPED")


class Watch:
    """Looks at one experiment.

    Args:
        steps: optimizer steps of the supernet's training.
    """

    def __init__(self, manager: Manager, folder: ExperimentFolder, steps: int) -> None:
        self._manager, self._folder, self._steps = manager, folder, steps
        self._store: ResultsStore | None = None
        self._points: list[tuple[float, int]] = []  # when each step of the supernet was first seen

    def snapshot(self) -> Snapshot:
        """Ask now.

        Raises:
            OSError: the manager does not answer.
        """
        status = self._manager.get("/check-status")
        if not isinstance(status, dict):  # text, while the manager starts
            return Snapshot("INITIALIZED", "starting")
        jobs = self._manager.jobs()
        supernets = [job for job in jobs if _parameters(job) == SUPERNET]
        candidates = [job for job in jobs if _parameters(job) != SUPERNET]
        curve = self._curve(supernets)
        training = any(job["status"] in ("WAITING", "RUNNING") for job in supernets)
        stage: Stage = "supernet" if training else "candidates" if candidates else "starting"
        limit = int(self._manager.profile()["params"].get("maxTrialNumber") or 0)
        done = [job for job in candidates if job.get("finalMetricData")]
        total = max(limit - max(1, len(supernets)), len(done))
        step = int(curve.get("step", 0))
        return Snapshot(
            status["status"],
            stage,
            step,
            self._steps,
            {name: value for name, value in curve.items() if name != "step"},
            len(done),
            total,
            sum(job["status"] in _FAILED for job in candidates),
            sum(job["status"] == "RUNNING" for job in candidates),
            self._best(),
            self._supernet_eta(step) if stage == "supernet" else _eta(candidates, len(done), total),
            self._errors(status),
        )

    def _best(self) -> Evaluation | None:
        """By the experiment's own metric, which its advisor writes down before there is a candidate."""
        if self._store is None and self._folder.project.exists():
            self._store = open_run(self._folder).results
        best = [] if self._store is None else self._store.top(1)
        return best[0] if best else None

    def _errors(self, status: dict[str, Any]) -> tuple[str, ...]:
        """What went wrong; of an error of ours NNI only says that its tuner may have crashed."""
        if status["status"] == "ERROR" and self._folder.error.exists():
            return (self._folder.error.read_text(encoding="utf-8").strip(),)
        return tuple(status.get("errors") or ())

    def _curve(self, supernets: list[dict[str, Any]]) -> dict[str, float]:
        """The latest point of the latest supernet trial that has one."""
        metrics = {metric["trialJobId"]: metric for metric in self._manager.get("/metric-data-latest")}
        for job in reversed(supernets):
            metric = metrics.get(job["trialJobId"])
            if metric is not None:
                return dict(json.loads(json.loads(metric["data"])))
        return {}

    def _supernet_eta(self, step: int) -> float | None:
        """From the points seen so far: a resumed training does not begin at step 0."""
        now = time.monotonic()
        if step and (not self._points or self._points[-1][1] != step):
            self._points.append((now, step))
        if len(self._points) < 2:
            return None
        (began, first), (latest, last) = self._points[0], self._points[-1]
        left = (latest - began) / max(1, last - first) * (self._steps - last)
        return max(0.0, left - (now - latest))


def _eta(candidates: list[dict[str, Any]], done: int, total: int) -> float | None:
    starts = [job["startTime"] for job in candidates if job.get("startTime")]
    if not starts or done == 0:
        return None
    elapsed = max(0.0, time.time() - float(min(starts)) / 1000)
    return elapsed / done * (total - done)


def _parameters(job: dict[str, Any]) -> object:
    """What a trial was given; None where a user added it with something that is no object."""
    try:
        record = parse_json((job.get("hyperParameters") or ["{}"])[0])
    except ValueError:
        return None
    return record.get("parameters") if isinstance(record, dict) else None
