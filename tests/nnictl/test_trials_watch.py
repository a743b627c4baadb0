"""The terminal's list of trials: what they are, and how seldom a manager with many of them is asked."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

from trionet_nni.nnictl.candidate.job import SUPERNET
from trionet_nni.nnictl.manager.rest import Manager
from trionet_nni.nnictl.terminal.trials import TrialsWatch


class Slow:
    """A manager that takes its time, and the clock of whoever waits for it."""

    def __init__(self, seconds: float) -> None:
        self.now, self.seconds, self.asked = 100.0, seconds, 0
        self.watch = TrialsWatch(cast(Manager, SimpleNamespace(jobs=self.jobs)), lambda: self.now)

    def jobs(self) -> list[dict[str, Any]]:
        self.asked += 1
        self.now += self.seconds
        return [job(str(self.asked), {"depth": 1})]

    def looks(self, seconds: float) -> int:
        """How often it is asked by who looks once a second."""
        before, end = self.asked, self.now + seconds
        while self.now < end:
            self.watch.look()
            self.now += 1.0
        return self.asked - before


def job(name: str, parameters: object, **more: Any) -> dict[str, Any]:
    text = json.dumps({"parameter_id": 1, "parameters": parameters})
    return {"trialJobId": name, "status": "RUNNING", "hyperParameters": [text], **more}


def test_a_fast_manager_is_asked_each_time_and_a_slow_one_for_a_twentieth_of_its_time() -> None:
    assert Slow(0.001).looks(60) >= 59
    slow = Slow(2.0)
    assert 0 < slow.looks(400) * 2.0 <= 0.06 * 400
    assert slow.watch.look() is slow.watch.look()


def test_at_the_end_it_is_asked_whatever_that_costs() -> None:
    slow = Slow(5.0)
    assert [trial.id for trial in slow.watch.look()] == ["1"] == [trial.id for trial in slow.watch.look()]
    assert [trial.id for trial in slow.watch.look(at_once=True)] == ["2"]


def test_every_trial_is_what_its_parameters_say() -> None:
    jobs = [
        job("s", SUPERNET, finalMetricData=[]),
        job("c", {"depth": 1}, startTime=5000, finalMetricData=[{"data": "1"}]),
        job("f", {"depth": 1, "stage": "finalist"}, status="FAILED"),
        {"trialJobId": "u", "status": "WAITING", "hyperParameters": ["[" * 5000]},
        {"trialJobId": "n", "status": "WAITING"},
    ]
    watch = TrialsWatch(cast(Manager, SimpleNamespace(jobs=lambda: jobs)))
    for trials in (watch.look(), watch.look(at_once=True)):
        assert {trial.id: trial.kind for trial in trials} == {
            "s": "supernet", "c": "candidate", "f": "finalist", "u": "candidate", "n": "candidate",
        }  # fmt: skip
        found = {trial.id: trial for trial in trials}
        assert found["c"].reported and found["c"].started == 5000 and not found["s"].reported
        assert found["f"].failed and not found["f"].open and found["u"].open
    jobs[-1] = job("n", SUPERNET)  # NNI knows its parameters a moment later
    assert watch.look(at_once=True)[-1].kind == "supernet"
