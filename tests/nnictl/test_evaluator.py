"""Evaluators that stay: real processes, killed at the worst moments. NNI with them: see the bridge."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.checkout import ROOT
from tests.helpers.fake_manager import FakeManager
from tests.helpers.patience import PATIENCE, until
from tests.helpers.toy_supernet import toy_score
from tests.helpers.warm import WarmExperiment, answer, networks, warm_experiment
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.files.locks import lock
from trionet_nni.nnictl.candidate.address import EvaluatorFiles, connect, evaluator_files, take_evaluator
from trionet_nni.nnictl.candidate.time_limit import EvaluatorWatch


@pytest.fixture
def warm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WarmExperiment]:
    with warm_experiment(tmp_path, monkeypatch) as experiment:
        yield experiment


def test_candidates_share_an_evaluator_and_are_never_evaluated_twice(warm: WarmExperiment) -> None:
    first, second = networks(2)
    told = [answer(warm.asking(network)) for network in (first, second, first)]
    assert [item["metrics"]["default"] for item in told] == [
        toy_score(first), toy_score(second), toy_score(first),
    ]  # fmt: skip
    assert warm.noted("done") == [first.hash, second.hash]
    assert len(warm.evaluators()) == 1
    assert {result.architecture for result in warm.store.all()} == {first, second}
    assert stat.S_IMODE(warm.files.evaluators.stat().st_mode) == 0o700


def test_trials_side_by_side_have_an_evaluator_each(
    warm: WarmExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_SECONDS", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    first, second = networks(2)
    # The same candidate twice at once: it is evaluated once, and both are told.
    asking = [warm.asking(network) for network in (first, second, first)]
    # One for each trial, as far as there are cores; the others wait for one.
    until(lambda: len(warm.evaluators()) == min(3, len(os.sched_getaffinity(0))))
    told = [answer(process)["metrics"]["default"] for process in asking]
    assert told == [toy_score(network) for network in (first, second, first)]
    assert sorted(warm.noted("done")) == sorted([first.hash, second.hash])


def test_killed_evaluator_comes_back(warm: WarmExperiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_SECONDS", "1")
    (network,) = networks(1)
    asking = warm.asking(network)
    until(lambda: warm.noted("start"))
    (victim,) = warm.evaluators()
    victim.kill()
    assert answer(asking)["metrics"]["default"] == toy_score(network)
    assert warm.noted("done") == [network.hash] and len(warm.store) == 1
    (successor,) = warm.evaluators()
    assert successor.pid != victim.pid


@pytest.mark.parametrize("both", [False, True])
def test_killed_trial_loses_nothing(
    warm: WarmExperiment, monkeypatch: pytest.MonkeyPatch, both: bool
) -> None:
    monkeypatch.setenv("TOY_SECONDS", "1")
    (network,) = networks(1)
    asking = warm.asking(network)
    until(lambda: warm.noted("start"))
    asking.kill()
    asking.communicate()
    if both:
        for victim in warm.evaluators():
            victim.kill()
    assert answer(warm.asking(network, "again"))["metrics"]["default"] == toy_score(network)
    assert warm.noted("done") == [network.hash] and len(warm.store) == 1


def test_evaluator_that_always_dies_is_told_with_its_last_words(
    warm: WarmExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_LATE", "5")
    first, second = networks(2)
    asking = warm.asking(first, number=5)
    out, err = asking.communicate(timeout=PATIENCE)
    assert asking.returncode != 0 and "the evaluator died 3 times: the toy was told to crash" in err, out
    assert len(warm.noted("start")) == 3 and len(warm.store) == 0
    assert answer(warm.asking(second))["metrics"]["default"] == toy_score(second)


def long_ago(at: EvaluatorFiles) -> None:
    """What an evaluator is at work on, it began long ago."""
    work = json.loads(at.began.read_text())
    at.began.write_text(json.dumps(work | {"since": work["since"] - 1e6}))


def test_evaluator_that_hangs_is_ended(warm: WarmExperiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_SECONDS", "1000")
    (network,) = networks(1)
    asking = warm.asking(network)
    until(lambda: warm.noted("start"))
    long_ago(evaluator_files(warm.files, "cpu-0"))
    _, err = asking.communicate(timeout=PATIENCE)
    assert asking.returncode != 0 and "no result within 3600 s (search.time_limit)" in err
    until(lambda: not warm.evaluators())
    assert len(warm.store) == 0


def test_a_hanging_candidate_does_not_cost_who_waits_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials of one card share an evaluator; the time of each counts from its own beginning."""
    at = evaluator_files(ExperimentFolder(tmp_path), "gpu-0")
    alive = lock(at.alive)
    hanging = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    work = {"process": hanging.pid, "trial": "a", "idle": False, "since": time.monotonic()}
    at.began.write_text(json.dumps(work))
    assert not EvaluatorWatch(at, "b", 100).look() and hanging.poll() is None
    long_ago(at)
    assert not EvaluatorWatch(at, "b", 100).look()  # it asks again
    assert hanging.wait(timeout=PATIENCE) == -signal.SIGKILL
    assert EvaluatorWatch(at, "a", 100).look()  # this one was told
    stopped = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    at.began.write_text(json.dumps(work | {"process": stopped.pid, "trial": "", "idle": True}))
    long_ago(at)
    assert not EvaluatorWatch(at, "a", 100).look() and stopped.poll() is None  # idle, asked just now
    assert EvaluatorWatch(at, "a", -1).look() and stopped.wait(timeout=PATIENCE) == -signal.SIGKILL
    alive.close()


def test_trial_that_scores_by_itself_has_the_same_limit() -> None:
    code = "import time; from trionet_nni.nnictl.candidate.time_limit import time_limit\n"
    code += "with time_limit(0.2): time.sleep(1000)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 1 and done.stderr == "error: no result within 0.2 s (search.time_limit)\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, None])
def test_nothing_is_left_when_the_experiment_ends(
    warm: WarmExperiment, monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    """However the evaluator is ended, in the middle of a candidate or idle, none remains."""
    monkeypatch.setenv("TOY_SECONDS", "1000")
    (network,) = networks(1)
    asking = warm.asking(network)
    until(lambda: warm.noted("start"))
    (evaluator,) = warm.evaluators()
    asking.kill()
    asking.communicate()
    if number is not None:
        evaluator.send_signal(number)
    warm.end_advisor()
    until(lambda: not warm.evaluators())
    assert len(warm.store) == 0


def test_no_evaluator_without_an_advisor_and_an_idle_one_ends(warm: WarmExperiment) -> None:
    command = [sys.executable, "-m", "trionet_nni.nnictl.evaluator", str(warm.files.root), "cpu-0"]
    done = subprocess.run([*command, "0.5"], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0 and "advisor" not in done.stdout
    assert not evaluator_files(warm.files, "cpu-0").socket.exists()
    warm.end_advisor()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0 and "the experiment's advisor is gone" in done.stdout


def test_bad_questions_are_answered_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = networks(2)
    with warm_experiment(tmp_path, monkeypatch, max_flops=6e6, min_flops=5.9e6) as warm:
        told = answer(warm.asking(first))["error"]
        assert told.startswith("parameters: found a network of ") and "\n" not in told
        question = {"trial": "t", "number": "0", "parameters": {"stage1.depth": 9}}
        connection = connect(evaluator_files(warm.files, "cpu-0").socket)
        assert connection is not None
        with connection:
            connection.sendall(json.dumps(question).encode() + b"\n")
            assert "allowed" in json.loads(connection.makefile().readline())["error"]
        for rubbish in (b"{\n", b"[]\n", b'{"parameters": 3}\n', b"\xff\n", b""):
            connection = connect(evaluator_files(warm.files, "cpu-0").socket)
            assert connection is not None
            with connection:
                connection.sendall(rubbish)
                connection.shutdown(socket.SHUT_WR)
                assert connection.recv(100) == b""
        assert "allowed" in answer(warm.asking(second))["error"]  # it is still there
        assert len(warm.evaluators()) == 1 and warm.noted("start") == []


def test_a_network_above_a_further_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (network,) = networks(1)
    with warm_experiment(tmp_path, monkeypatch, budget={"params": 10}) as warm:
        told = answer(warm.asking(network))["error"]
    assert "allowed: up to 10 (search.budget.params)" in told and "\n" not in told


def test_a_trial_stays_light(warm: WarmExperiment, channel: str) -> None:
    (network,) = networks(1)
    record = {"parameter_id": 3, "parameters": network.to_sample()}
    FakeManager.answers = [{"hyperParameters": [json.dumps(record)]}]
    code = (
        "import sys; from trionet_nni.nnictl.trial import main; status = main(); "
        "print(sorted({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)));"
        "sys.exit(status)"
    )
    variables = {
        "NNI_TRIAL_JOB_ID": "abc",
        "NNI_TRIAL_SEQ_ID": "1",
        "NNI_TRIAL_COMMAND_CHANNEL": channel,
        "NNI_EXP_ID": "e1",
        "NNI_OUTPUT_DIR": str(warm.files.root / "environments" / "local-env" / "trials" / "abc"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={**os.environ, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.splitlines()[-1]
    assert loaded == "['__main__', 'trionet_nni']"
    (command,) = FakeManager.received
    metric = json.loads(command["metric"])
    assert (metric["type"], metric["parameter_id"]) == ("FINAL", 3)
    assert json.loads(metric["value"])["default"] == toy_score(network)


def test_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    folder = ExperimentFolder(tmp_path / ("long-name-" * 12) / "e1")
    card, held = take_evaluator(folder, {"CUDA_VISIBLE_DEVICES": "0,1"})
    assert (card.device, held) == ("gpu-0_1", None)
    first, a = take_evaluator(folder, {"CUDA_VISIBLE_DEVICES": ""})
    second, b = take_evaluator(folder, {"CUDA_VISIBLE_DEVICES": "-1"})
    assert (first.device, second.device) == ("cpu-0", "cpu-1") and a is not None and b is not None
    a.close()
    assert take_evaluator(folder, {"CUDA_VISIBLE_DEVICES": ""})[0].device == "cpu-0"


def test_a_trial_beyond_the_processors_shares_waits_for_one(tmp_path: Path) -> None:
    folder = ExperimentFolder(tmp_path)
    cores = len(os.sched_getaffinity(0))
    environment = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": str(cores)}  # one share
    first, held = take_evaluator(folder, environment)
    assert held is not None
    taken: list[str] = []
    waiting = threading.Thread(target=lambda: taken.append(take_evaluator(folder, environment)[0].device))
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive() and not taken
    held.close()
    waiting.join(PATIENCE)
    assert taken == [first.device]
    assert connect(first.socket) is None


def test_a_trial_does_not_fail_while_its_experiment_is_being_stopped(
    warm: WarmExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NNI ends the advisor some seconds before it cancels the trials: they must not count as failed."""
    monkeypatch.setenv("TOY_SECONDS", "1000")
    (network,) = networks(1)
    asking = warm.asking(network)
    until(lambda: warm.noted("start"))
    warm.end_advisor()
    until(lambda: not warm.evaluators())
    with pytest.raises(subprocess.TimeoutExpired):  # it waits for what NNI does next
        asking.wait(timeout=8)
    assert warm.evaluators() == []
    asking.send_signal(signal.SIGINT)  # as NNI cancels it
    assert asking.wait(timeout=PATIENCE) != 0
    asking.communicate()
