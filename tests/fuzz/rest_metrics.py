"""What NNI's manager answers to this project's processes, and the metrics that it passes on.

Whoever reaches the portal can add a trial, and a trial sends what it likes as its metric: both are text
inside of an answer. The answers themselves may be those of another program on the experiment's old port.
"""

from __future__ import annotations

import io
import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.fuzz.target import SEPARATOR, Target, parts
from trionet_nni.errors import InputError
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.files.text import parse_json
from trionet_nni.nnictl.candidate.awake import Ages, Awake
from trionet_nni.nnictl.candidate.job import SUPERNET, metric_number, parameter_id
from trionet_nni.nnictl.manager import rest
from trionet_nni.nnictl.search.deadline import overdue, silent
from trionet_nni.nnictl.search.trial_limit import TrialLimit
from trionet_nni.nnictl.terminal.start import failure
from trionet_nni.nnictl.terminal.watch import Watch

_ASKED = ("/check-status", "/experiment", "/trial-jobs", "/metric-data-latest")


class _Manager:
    """Answers with the parts of an input, as an opener of urllib does."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = dict(zip(_ASKED, answers, strict=True))

    def open(self, asked: Any, timeout: float) -> AbstractContextManager[io.BytesIO]:
        """The answer to a GET; a PUT is taken."""
        url = asked if isinstance(asked, str) else ""
        return io.BytesIO(self._answers.get("/" + url.rsplit("/", 1)[-1], b"{}"))


def _read(data: bytes, folder: Path) -> None:
    *answers, metric = parts(data, len(_ASKED) + 1)
    _read_metric(metric)
    with patch.object(rest, "_OPENER", _Manager(answers)):
        manager, files = rest.Manager("http://127.0.0.1:1"), ExperimentFolder(folder / "abc")
        failure(files, manager)
        for look in (_look_at_trials, _move_limit, lambda one: Watch(one, files, 10).snapshot()):
            try:
                look(manager)
            except InputError:
                raise
            except (OSError, ValueError):  # as `Manager` says: whoever asks looks again
                continue


def _read_metric(text: bytes) -> None:
    """As the advisor takes a metric."""
    try:
        sent = parse_json(text)
    except ValueError:
        return
    parameter_id(sent)
    number = metric_number(sent.get("value") if isinstance(sent, dict) else sent)
    assert number is None or abs(number) < float("inf")


def _look_at_trials(manager: rest.Manager) -> None:
    """As the thread does that ends trials which hang."""
    jobs, ages = manager.jobs(), Ages(Awake(10))
    assert isinstance(overdue(jobs, 1, ages) + silent(jobs, 1, ages, lambda parameters: 0.0), list)


def _move_limit(manager: rest.Manager) -> None:
    limit = TrialLimit(manager, reserved=2)
    limit.candidates()
    limit.room_for(1)
    limit.one_more()
    limit.end_here()


def _seeds() -> list[bytes]:
    candidate = {"parameter_id": 1, "parameters": {"stage1.depth": 1}}
    finalist = {"parameter_id": 2, "parameters": {"stage": "finalist", "rung": 1, "steps": 10}}
    supernet = {"parameter_id": 0, "parameters": SUPERNET}
    jobs = [
        {
            "trialJobId": f"t{number}",
            "status": status,
            "hyperParameters": [json.dumps(record)],
            "startTime": 1790000000000,
            "sequenceId": number,
            "finalMetricData": [{"data": '"{\\"default\\": 0.5}"'}] if status == "SUCCEEDED" else [],
        }
        for number, (record, status) in enumerate(
            [(supernet, "RUNNING"), (candidate, "SUCCEEDED"), (finalist, "RUNNING"), (candidate, "FAILED")]
        )
    ]
    profile = {"id": "abc", "params": {"maxTrialNumber": 20, "trialConcurrency": 2, "searchSpace": {}}}
    curve = [
        {"trialJobId": "t0", "type": "PERIODICAL", "data": json.dumps(json.dumps({"step": 5, "conv": 0.5}))}
    ]
    metric = {"parameter_id": 1, "trial_job_id": "t1", "type": "FINAL", "value": '{"default": 0.5}'}
    documents = [{"status": "RUNNING", "errors": []}, profile, jobs, curve, metric]
    return [SEPARATOR.join(json.dumps(one).encode() for one in documents)]


TARGET = Target("rest_metrics", _read, _seeds)
