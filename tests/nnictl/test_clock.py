"""Clocks that are set by hours, processes that are stopped and go on: limits and estimates stay sane."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.helpers.checkout import ROOT
from tests.helpers.patience import PATIENCE, until
from tests.helpers.toy_supernet import toy_score
from tests.helpers.warm import ASK, answer, networks, warm_experiment
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.files.locks import lock
from trionet_nni.nnictl.candidate.address import evaluator_files
from trionet_nni.nnictl.candidate.awake import Ages, Awake
from trionet_nni.nnictl.candidate.time_limit import EvaluatorWatch, begin
from trionet_nni.nnictl.terminal.watch import Pace

# A process that asks, whose evaluator's watch takes a gap of more than two seconds for a pause.
_IMPATIENT = f"from trionet_nni.nnictl.candidate import time_limit; time_limit._LONGEST_LOOK = 2.0; {ASK}"
HOURS = (-5 * 3600.0, 5 * 3600.0)


def test_time_in_which_a_process_was_stopped_does_not_count() -> None:
    now = [100.0]
    awake = Awake(10, lambda: now[0])
    for step in (1.0, 9.0, 3600.0, 5.0):  # the machine slept for an hour
        now[0] += step
        awake.seconds()
    assert awake.seconds() == 1 + 9 + 10 + 5


@pytest.mark.parametrize("jump", HOURS)
def test_an_evaluator_is_not_ended_by_a_clock_that_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    at = evaluator_files(ExperimentFolder(tmp_path), "gpu-0")
    working = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    with lock(at.alive):
        watch = EvaluatorWatch(at, "a", 100)
        begin(at, "a")
        work = json.loads(at.began.read_text()) | {"process": working.pid}
        at.began.write_text(json.dumps(work))
        usual = time.time
        monkeypatch.setattr(time, "time", lambda: usual() + jump)
        os.utime(at.began, (usual() - jump, usual() - jump))
        assert not watch.look() and working.poll() is None
        at.began.write_text(json.dumps(work | {"since": work["since"] - 101}))
        assert watch.look()  # and the limit is what it was
    assert working.wait(timeout=PATIENCE) == -signal.SIGKILL


def test_a_trial_is_as_old_as_it_was_seen_whatever_the_clock_says() -> None:
    now = [0.0]
    ages = Ages(Awake(1000, lambda: now[0]))
    assert ages.of("trial", 1_700_000_000_000) == 0  # began by the clock on the wall
    now[0] = 50.0
    assert ages.of("trial", 1_700_000_000_000) == 50
    assert ages.of("another", 1_700_018_000_000) == 0  # after the clock was set


def test_an_estimate_is_neither_negative_nor_spoilt_by_a_pause() -> None:
    now = [0.0]
    pace = Pace(Awake(10, lambda: now[0]))
    for step in range(1, 11):
        now[0] += 2.0
        pace.left(step, 100)
    assert pace.left(10, 100) == pytest.approx(180)
    now[0] += 7200.0
    left = pace.left(10, 100)
    assert left is not None and 160 <= left <= 180
    now[0] += 2.0
    assert 170 <= (pace.left(11, 100) or 0) <= 290
    assert pace.left(100, 100) == 0


@pytest.mark.slow
def test_a_candidate_lives_on_when_all_processes_were_stopped_for_longer_than_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.helpers.warm.ASK", _IMPATIENT)
    monkeypatch.setenv("TOY_SECONDS", "4")
    before, network = networks(2)
    with warm_experiment(tmp_path, monkeypatch) as warm:
        answer(warm.asking(before))  # what all need is loaded, however busy the machine is
        settings = json.loads(warm.files.project.read_text())
        settings["search"]["time_limit"] = 7
        warm.files.project.write_text(json.dumps(settings))
        asking = warm.asking(network)
        until(lambda: len(warm.noted("start")) == 2)
        processes = [psutil.Process(asking.pid), *warm.evaluators()]
        for process in processes:
            process.suspend()
        time.sleep(9)
        for process in processes:
            process.resume()
        assert answer(asking)["metrics"]["default"] == toy_score(network)
        assert len(warm.noted("start")) == 2


@pytest.mark.slow
def test_a_trial_that_scores_by_itself_may_be_stopped_as_well() -> None:
    code = "import time; from trionet_nni.nnictl.candidate import time_limit\n"
    code += "time_limit._LONGEST_LOOK = 1.0\nprint(flush=True)\n"
    code += "with time_limit.time_limit(4):\n    time.sleep(2)\nprint('through')"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=pipe, text=True) as process:
        assert process.stdout and process.stdout.readline() == "\n"
        time.sleep(0.5)
        process.send_signal(signal.SIGSTOP)
        time.sleep(6)
        process.send_signal(signal.SIGCONT)
        assert process.stdout.read() == "through\n"
    assert process.returncode == 0
