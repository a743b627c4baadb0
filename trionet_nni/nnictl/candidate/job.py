"""Which parameters a trial really has, and how it reports them. Standard library only.

NNI's own `get_next_parameter` hands parameters out first come, first served: after one trial has crashed
before asking, every later one gets its neighbour's. What the manager stored for the job is right.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trionet_nni.errors import InputError, shown
from trionet_nni.files.text import parse_json
from trionet_nni.nnictl.manager.rest import Manager, put_patiently

SUPERNET = {"stage": "supernet"}  # parameters of the experiment's first trial
FINALIST = "finalist"  # "stage" of a finalist's parameters; those of a candidate have none
_SENDINGS = 5  # of a result that NNI does not store
_LOOKS = (0.05, 0.1, 0.2, 0.4, 0.8, 0)  # seconds between them


@dataclass(frozen=True)
class TrialJob:
    """A trial's own parameters; `parameter_id` is None for a trial that a user added by hand."""

    trial: str
    parameter_id: int | None
    parameters: dict[str, Any]
    channel: str

    @property
    def is_supernet(self) -> bool:
        """Whether this trial trains the supernet."""
        return self.parameters == SUPERNET

    @property
    def is_finalist(self) -> bool:
        """Whether this trial trains a finalist from scratch."""
        return self.parameters.get("stage") == FINALIST


def fetch_job(environment: Mapping[str, str], patience: float = 120) -> TrialJob:
    """Ask the manager for this trial's job, until it is stored.

    Args:
        patience: seconds.

    Raises:
        TimeoutError: the manager has no such job, or does not answer.
        InputError: the job was added by hand, and its parameters are no JSON object.
    """
    trial, channel = environment["NNI_TRIAL_JOB_ID"], environment["NNI_TRIAL_COMMAND_CHANNEL"]
    manager = Manager.of_trial(channel)
    give_up, pause = time.monotonic() + patience, 0.05
    while time.monotonic() < give_up:
        try:
            stored = manager.get(f"/trial-jobs/{trial}")
        except (OSError, ValueError):
            stored = None
        texts = stored.get("hyperParameters") if isinstance(stored, dict) else None
        if texts:
            return _read(trial, channel, texts[0])
        time.sleep(pause)
        pause = min(2 * pause, 1.0)
    raise TimeoutError(f"{manager.address} stored no parameters for trial {trial} in {patience:g} s")


def _read(trial: str, channel: str, text: str) -> TrialJob:
    record = _parsed(text)
    parameters = record.get("parameters") if isinstance(record, dict) else None
    if isinstance(parameters, str):  # a trial that was added in the portal
        parameters = _parsed(parameters)
    if not isinstance(parameters, dict):
        found = "nothing" if parameters is None else shown(parameters)
        raise InputError(f"parameters: found {found}, allowed: an object of labels and choices")
    return TrialJob(trial, _number(record), parameters, channel)


def parameter_id(text: object) -> int | None:
    """The number of a trial, by its record in NNI's database; None where a user added it by hand."""
    try:
        return _number(_parsed(text))
    except InputError:  # what a user adds is any JSON, nested as deeply as it likes
        return None


def is_supernet(text: object) -> bool:
    """Whether a trial trains the supernet, by its record in NNI's database."""
    return _parameters(text) == SUPERNET


def finalist_parameters(text: object) -> dict[str, Any] | None:
    """The parameters of a finalist's trial, by its record in NNI's database; None for another trial."""
    parameters = _parameters(text)
    if isinstance(parameters, dict) and parameters.get("stage") == FINALIST:
        return parameters
    return None


def _parameters(text: object) -> object:
    try:
        record = _parsed(text)
    except InputError:
        return None
    return record.get("parameters") if isinstance(record, dict) else None


def _number(record: object) -> int | None:
    number = record.get("parameter_id") if isinstance(record, dict) else None
    return number if type(number) is int else None


def _parsed(text: object) -> Any:
    try:
        return parse_json(text if isinstance(text, str) else "")
    except ValueError as error:
        raise InputError(f"parameters: found no readable JSON ({error}), allowed: an object") from None


class Reporter:
    """Sends a job's metrics to the manager, under the job's own parameter id."""

    def __init__(self, job: TrialJob) -> None:
        self.job = job
        self._waiting: list[dict[str, Any]] = []
        self._sequence = 0

    def intermediate(self, value: Mapping[str, float]) -> None:
        """A point of a curve. One that cannot be sent now goes out before the next: training goes on."""
        self._waiting.append(self._command("PERIODICAL", self._sequence, value))
        self._sequence += 1
        try:
            while self._waiting:
                put_patiently(self.job.channel, self._waiting[0], attempts=2)
                self._waiting.pop(0)
        except OSError as error:
            print(f"warning: the manager did not take an intermediate result ({error})", flush=True)

    def final(self, value: Mapping[str, float], evaluation: object = None) -> None:
        """The trial's result; it is in NNI's database when this returns.

        While NNI starts a trial again after a resume, it drops what comes from it and tells its log alone.

        Args:
            evaluation: what is stored of it, as JSON. From another machine it travels with the report, and
                the advisor stores it.

        Raises:
            ValueError: a value is not finite; NNI would let NaN win.
            OSError: the manager did not take it.
        """
        more = {} if evaluation is None else {"evaluation": evaluation}
        command = self._command("FINAL", 0, value, more)
        for _ in range(_SENDINGS):
            put_patiently(self.job.channel, command)
            if self._is_stored():
                return
        raise OSError(f"NNI's manager does not store the result of trial {self.job.trial}")

    def _is_stored(self) -> bool:
        """Whether NNI has a result of this trial; where it does not answer, what it accepted counts."""
        manager = Manager.of_trial(self.job.channel)
        for pause in _LOOKS:
            try:
                stored = manager.get(f"/metric-data/{self.job.trial}?type=FINAL")
            except (OSError, ValueError):
                return True
            if stored or not isinstance(stored, list):
                return True
            time.sleep(pause)
        return False

    def _command(
        self, kind: str, sequence: int, value: Mapping[str, float], more: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        if not all(math.isfinite(number) for number in value.values()):
            raise ValueError(f"found {dict(value)}, allowed: finite numbers")
        metric = {
            "parameter_id": self.job.parameter_id,
            "trial_job_id": self.job.trial,
            "type": kind,
            "sequence": sequence,
            "value": json.dumps(dict(value)),
            **(more or {}),
        }
        return {"type": "metric", "metric": json.dumps(metric)}


def metric_number(value: object) -> float | None:
    """What a metric is worth: its "default" entry or itself, where that is a finite number, else None.

    Args:
        value: as the manager passes it on: JSON text of what the trial sent.
    """
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except ValueError:
            return None
    if isinstance(value, dict):
        value = value.get("default")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) <= sys.float_info.max else None  # 10⁴⁰⁰ is an int, and no float
