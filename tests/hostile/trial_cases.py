"""Parameters of trials, as anybody can add them through NNI's portal and REST interface."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.hostile.bench import ARCHITECTURE, finished, write_json
from tests.hostile.case import CANARY, Accepted, Case, says
from tests.hostile.payloads import base64_pickle, expression, nni_payloads

KIND = "parameters of a customized trial"
_MEETS = "trial, evaluator"
_SAMPLE = ARCHITECTURE.to_sample()
Make = Callable[[Path], object]


class _Manager:
    """NNI's manager, which knows one trial."""

    def __init__(self, text: str) -> None:
        self.text = text

    def get(self, path: str) -> dict[str, Any]:
        return {"hyperParameters": [self.text]}


def _delivered(folder: Path, text: str, **search: float) -> None:
    """A trial's way: ask the manager for the parameters, have them scored."""
    from trionet_nni.experiment.folder import ExperimentFolder
    from trionet_nni.nnictl.candidate.job import fetch_job
    from trionet_nni.nnictl.candidate.scoring import Scoring

    def make() -> Callable[[object], Any]:
        raise Accepted

    files = ExperimentFolder(finished(folder))
    if search:
        settings = json.loads(files.project.read_text())
        write_json(files.project, {**settings, "search": {**settings["search"], **search}})
    with patch("trionet_nni.nnictl.candidate.job.Manager.of_trial", lambda channel: _Manager(text)):
        job = fetch_job(
            {"NNI_TRIAL_JOB_ID": "t", "NNI_TRIAL_COMMAND_CHANNEL": "http://h/env/e/t"}, patience=1
        )
    Scoring(files, make).score(job.parameters)


def _record(parameters: object) -> str:
    """What NNI stores of a trial that was added by hand."""
    return json.dumps({"parameter_id": None, "parameter_source": "customized", "parameters": parameters})


def _given(name: str, parameters: object | Make, *line: str, usable: str = "", **search: float) -> Case:
    def run(folder: Path) -> None:
        value = parameters(folder) if callable(parameters) else parameters
        _delivered(folder, _record(value), **search)

    return Case(KIND, name, _MEETS, run, says(*line), usable)


def _stored(name: str, text: str, *line: str) -> Case:
    return Case(KIND, name, _MEETS, lambda folder: _delivered(folder, text), says(*line))


def _label(name: str, label: str, value: object | Make, *line: str) -> Case:
    """A right sample but for one label."""

    def made(folder: Path) -> object:
        return {**_SAMPLE, label: value(folder) if callable(value) else value}

    return _given(name, made, *line)


def _payload(kind: str) -> Make:
    return lambda folder: nni_payloads(folder)[kind]


_PAYLOADS = tuple(nni_payloads(Path()))
_NONE = "sample: found no 'stage1.depth', allowed: every active label"
_OPERATOR = "stage2.block1.operator"
_WRONG_OPERATOR = ("stage2.block1.operator: found ", "allowed: conv, local, axial")
_JSON = "parameters: found no readable JSON ("

PAYLOADS = (
    *(_given(f"{kind} as a whole", _payload(kind), _NONE) for kind in _PAYLOADS),
    *(_label(f"{kind} for an operator", _OPERATOR, _payload(kind), *_WRONG_OPERATOR) for kind in _PAYLOADS),
    _given("a pickle in a text", base64_pickle, _JSON, "allowed: an object"),
    _given("a Python expression", expression, _JSON, "allowed: an object"),
    _label(
        "a Python expression for a depth",
        "stage1.depth",
        expression,
        "stage1.depth: found ",
        "allowed: an integer",
    ),
    _label("a Python expression for an operator", _OPERATOR, expression, *_WRONG_OPERATOR),
    _label(
        "a shell command for a rate",
        "stage2.block1.local.qk",
        lambda folder: f"$(touch {folder / CANARY})",
        "stages[1][0].qk: found '$(touch",
        "a rate",
    ),
)
FORMS = (
    _given("nothing", None, "parameters: found nothing, allowed: an object of labels and choices"),
    _given("a list", [1, 2], "parameters: found [1, 2], allowed: an object"),
    _given("a number", 5, "parameters: found 5, allowed: an object"),
    _given("a text that is a number", "5", "parameters: found 5, allowed: an object"),
    _given("an empty text", "", _JSON, "allowed: an object"),
    _given("no label", {}, _NONE),
    _given("nesting in a text", "[" * 100_000, _JSON + "lists or objects nested too deeply"),
    _given(
        "a label twice",
        '{"stage1.depth": 1, "stage1.depth": 2}',
        _JSON + "'stage1.depth' stands there twice",
    ),
    _stored("a record that is no JSON", "stage1.depth=1", _JSON, "allowed: an object"),
    _stored("a record that is a list", "[]", "parameters: found nothing, allowed: an object"),
    _stored("a record that nests", '{"parameters":' * 20_000, _JSON + "lists or objects nested too deeply"),
)
LABELS = (
    _label("a wrong operator", _OPERATOR, "pooling", "found 'pooling', allowed: conv, local, axial"),
    _label("no operator at all", _OPERATOR, None, "found None, allowed: conv, local, axial"),
    _label("a depth of 0", "stage1.depth", 0, "stages[0]: found 0 blocks, allowed: 1 to"),
    _label("a depth of −1", "stage2.depth", -1, "stages[1]: found 0 blocks, allowed: 1 to"),
    _label(
        "a depth of 10¹²",
        "stage1.depth",
        10**12,
        "sample: found no 'stage1.block2.operator'",
        "every active label",
    ),
    _label("true for a depth", "stage1.depth", True, "stage1.depth: found True, allowed: an integer"),
    _label("2.0 for a depth", "stage2.depth", 2.0, "stage2.depth: found 2.0, allowed: an integer"),
    _label(
        "heads that do not divide",
        "stage2.block1.local.heads",
        7,
        "stages[1][0].heads: found 7 heads",
        "divides",
    ),
    _label("NaN", "stage2.block1.local.v", float("nan"), "stages[1][0].v: found nan, allowed: a rate"),
    _label(
        "a kernel of a megabyte",
        "stage1.block1.conv.kernel",
        "3" * 10**6,
        "stages[0][0].kernel: found '3333",
        "allowed: 3, 5, 7",
    ),
    _label(
        "a network that is none of the space",
        "stage1.block1.conv.expansion",
        0.5,
        "parameters: found ",
        "allowed: networks of spaces.tiny",
    ),
    _given(
        "a network above the budget",
        _SAMPLE,
        "parameters: found a network of ",
        "allowed: 0 to 1000 (search.max_flops)",
        max_flops=1000,
    ),
    _given(
        "a network below the budget",
        _SAMPLE,
        "parameters: found a network of ",
        "allowed: 9e+08 to 1e+09",
        min_flops=9e8,
    ),
    _given(
        "labels of nothing beside a network",
        {**_SAMPLE, "__class__": "os.system", "stage9.depth": "x"},
        usable="labels of no choice are ignored",
    ),
)


def _message(name: str, command: str, content: str) -> Case:
    """What reaches the advisor: it is passed over, and the next message is handled."""

    def run(folder: Path) -> int:
        from queue import SimpleQueue

        from nni.runtime.tuner_command_channel import CommandType

        from trionet_nni.nnictl.advisor import TrioNetAdvisor

        advisor = TrioNetAdvisor.__new__(TrioNetAdvisor)  # without a manager
        advisor.stopping, advisor._commands, advisor._session = False, SimpleQueue(), None
        failures: list[str] = []
        advisor.fail = failures.append

        def ping(data: object) -> None:
            advisor.stopping = True

        advisor.handle_request_trial_jobs = ping
        advisor._commands.put((CommandType[command], content))
        advisor._commands.put((CommandType.RequestTrialJobs, "1"))
        advisor._work()
        return len(failures)

    return Case("message to the advisor", name, "advisor", run, usable="passed over")


def _ended(hyper: str) -> str:
    return json.dumps({"trial_job_id": "t", "event": "FAILED", "hyper_params": hyper})


MESSAGES = (
    _message(
        "the end of a trial that nests", "TrialEnd", _ended(_record(0)[:-2] + "[" * 5000 + "]" * 5000 + "}")
    ),
    _message("the end of a trial that is a list", "TrialEnd", _ended("[1]")),
    _message("the end of a trial that is no JSON", "TrialEnd", _ended("touch canary")),
    _message("a metric that nests", "ReportMetricData", "[" * 100_000),
    _message("a metric that is a number", "ReportMetricData", "5"),
    _message("a metric without a type", "ReportMetricData", '{"value": "__import__(\'os\')"}'),
    _message(
        "a metric whose value nests",
        "ReportMetricData",
        json.dumps({"type": "FINAL", "parameter_id": 1, "value": "[" * 100_000}),
    ),
    _message("no JSON", "ReportMetricData", "import os"),
)

CASES = (*PAYLOADS, *FORMS, *LABELS, *MESSAGES)
