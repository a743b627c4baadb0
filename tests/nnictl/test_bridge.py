"""The bridge under real nnictl experiments: what NNI shows, what is stored and what was searched agree."""

from __future__ import annotations

import base64
import json
import os
import pickle
import pty
import re
import signal
import socket
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.patience import PATIENCE
from tests.helpers.toy_experiment import TOY_TRIAL, ToyExperiment, architecture, is_supernet
from tests.helpers.toy_supernet import toy_accuracy, toy_score
from trionet_nni.nnictl.terminal import launch
from trionet_nni.settings.before import BEFORE
from trionet_nni.supernet.results import ResultsStore

pytestmark = pytest.mark.slow  # one whole way through nnictl is in commands/test_search.py


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ToyExperiment]:
    experiment = ToyExperiment(tmp_path, monkeypatch)
    try:
        yield experiment
    finally:
        experiment.close()


def numbers(metric: dict[str, Any]) -> Any:
    return json.loads(json.loads(metric["data"]))


def check_agreement(toy: ToyExperiment, jobs: list[dict[str, Any]]) -> set[str]:
    """Parameters, metric and results store agree for every candidate with a result; their hashes."""
    finals = {metric["trialJobId"]: metric for metric in toy.manager.get("/metric-data?type=FINAL")}
    found = set()
    for job in jobs:
        metric = finals.get(job["trialJobId"])
        if is_supernet(job):
            assert metric is None
            continue
        value = None if metric is None else numbers(metric)
        if job["status"] != "SUCCEEDED" or not isinstance(value, dict):
            continue
        wanted = architecture(job)
        stored = toy.store.get(wanted.hash)
        assert stored is not None and stored.architecture == wanted and stored.loss is not None
        assert value["default"] == -stored.loss == toy_score(wanted)  # NNI shows the largest first
        assert (value["loss"], value["accuracy"]) == (stored.loss, stored.accuracy)
        assert (value["flops"], value["params"]) == (stored.flops, stored.params)
        assert stored.flops <= 2.0e7
        number = json.loads(job["hyperParameters"][0])["parameter_id"]
        assert int(metric["parameterId"]) == number
        found.add(wanted.hash)
    return found


def check_loopback(toy: ToyExperiment) -> None:
    sockets = toy.sockets()
    assert sockets and all(socket.laddr.ip in ("127.0.0.1", "::1") for socket in sockets), sockets


def test_crashing_trials_never_shift_parameters(toy: ToyExperiment) -> None:
    toy.set(
        TOY_EARLY="1,5", TOY_KILLED="6", TOY_SILENT="9", TOY_LATE="3,11", TOY_NAN="8", TOY_ABC="10",
        TOY_RAW_NAN="12",
    )  # fmt: skip
    toy.write(trials=17, command=TOY_TRIAL)
    toy.create()
    toy.until(lambda status: len(toy.store) > 0)
    check_loopback(toy)
    toy.wait("DONE")
    jobs = toy.manager.jobs()
    spoiled = {1, 3, 5, 6, 8, 9, 10, 11, 12}
    # A failed trial costs the search no candidate: NNI's limit grew by one with every further attempt.
    tried = Counter(architecture(job).hash for job in jobs if not is_supernet(job))
    assert len(tried) == 16
    failed = Counter(architecture(job).hash for job in jobs if job["sequenceId"] in spoiled)
    given_up = {name for name, count in failed.items() if count == 3}  # search.retries: 2
    found = check_agreement(toy, jobs)
    assert found == set(tried) - given_up and len(found) == len(toy.store)
    evaluated = toy.evaluated(len(found))
    assert {item["hash"] for item in evaluated} == found and len(evaluated) == len(found)
    for item in evaluated:
        stored = toy.store.get(item["hash"])
        assert stored is not None and stored.loss is not None and item["score"] == -stored.loss
    # What a trial evaluated is what NNI shows for it.
    shown = {job["trialJobId"]: architecture(job).hash for job in jobs if not is_supernet(job)}
    assert all(shown[trial] == what for what, trial in toy.calls("start"))
    # A candidate whose trial failed was tried again.
    for job in jobs:
        if job["sequenceId"] in {1, 3, 5, 6, 8}:
            assert tried[shown[job["trialJobId"]]] > 1, job["sequenceId"]
    # Each failure is on file with its reason.
    number = {job["trialJobId"]: job["sequenceId"] for job in jobs}
    reasons = {number[item["trial"]]: item["reason"] for item in toy.failures()}
    assert set(reasons) == spoiled
    for which, words in {
        1: "left no message", 3: "died 3 times: the toy was told to crash", 6: "killed, or cancelled",
        8: "found nan", 9: "without a result", 10: 'reported "abc"', 12: "reported NaN",
    }.items():  # fmt: skip
        assert words in reasons[which], reasons


def test_hostile_trials_do_no_harm(toy: ToyExperiment) -> None:
    """Anybody on this machine can add a trial by REST: its parameters are data, and it has failed."""
    canary = toy.folder / "canary"
    code = f"__import__('os').system('touch {canary}')"
    pickled = base64.b64encode(pickle.dumps(Bomb(str(canary)))).decode()
    hostile = [
        {"__symbol__": "path:os.system", "__kwargs__": {"command": f"touch {canary}"}},
        {"_type": "pickle", "__nni_obj__": pickled, "__pickled__": pickled},
        {"stage1.depth": code, "stage1.block1.operator": code},
        {"__nni_type__": "bytes:" + pickled},
    ]
    toy.set(TOY_SECONDS="0.5")
    toy.write(trials=9)
    toy.create()
    toy.until(lambda status: len(toy.store) > 0)
    for parameters in hostile:
        post(f"{toy.manager.address}/api/v1/nni/trial-jobs", parameters)
    toy.wait("DONE")
    jobs = toy.manager.jobs()
    added = [job for job in jobs if json.loads(job["hyperParameters"][0])["parameter_id"] is None]
    assert len(added) == 4 and {job["status"] for job in added} == {"FAILED"}
    noted = {item["trial"]: item for item in toy.failures()}
    assert set(noted) == {job["trialJobId"] for job in added}
    assert all(item["hash"] is None and "allowed" in item["reason"] for item in noted.values()), noted
    assert not canary.exists()
    assert len(toy.store) == len(toy.evaluated(4)) == 4


def test_bare_nnictl_create_is_warned_of(toy: ToyExperiment) -> None:
    """NNI's own, past this project's front door: the portal is open to the network.

    That is the first thing in the log and in the terminal.
    """
    toy.write(trials=3)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    line = (
        f"{sys.executable} -m nni.tools.nnictl.nnictl create --config {toy.yaml} --port {port}; sleep 1000"
    )
    shell, terminal = pty.fork()
    if shell == 0:
        os.execv("/bin/sh", ["sh", "-c", line])
    said = b""
    try:
        while b"WARNING: the portal" not in said or not said.endswith(b"\n"):
            said += os.read(terminal, 4096)
            if found := re.search(rb"Experiment ID: \S*?(\w{8})\b", said):
                known = launch.Experiment(found[1].decode(), port)
                toy.started = [known]
    finally:
        os.kill(shell, signal.SIGKILL)
        os.waitpid(shell, 0)
        os.close(terminal)
    first = toy.experiment_folder.log.read_text().splitlines()[0]
    for text in (first, said.decode()):
        assert f"the portal on port {port} accepts anyone" in text
        assert re.search(
            rf"nnictl stop {toy.id} && NODE_OPTIONS=--require=\S+loopback.cjs \S*nnictl resume", text
        )


class Bomb:
    """Whoever unpickles it makes a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


def post(url: str, body: object) -> None:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
    urllib.request.urlopen(request, timeout=PATIENCE).close()


def test_supernet_has_a_curve_and_no_final_metric(toy: ToyExperiment) -> None:
    toy.write(trials=4)
    toy.create()
    toy.wait("DONE")
    jobs = toy.manager.jobs()
    (supernet,) = [job for job in jobs if is_supernet(job)]
    assert supernet["sequenceId"] == 0 and supernet["status"] == "SUCCEEDED"
    assert "finalMetricData" not in supernet
    metrics = toy.manager.get(f"/metric-data/{supernet['trialJobId']}")
    assert [metric["type"] for metric in metrics] == ["PERIODICAL"] * 3
    # NNI's manager keeps the points as they are written, not as they were sent: each has its number.
    points = sorted((int(metric["sequence"]), numbers(metric)["step"]) for metric in metrics)
    assert points == [(0, 1), (1, 2), (2, 3)]
    assert len(check_agreement(toy, jobs)) == 3
    # No candidate started before it was done, and the portal knows the space.
    assert all(job["startTime"] >= supernet["endTime"] for job in jobs if job is not supernet)
    space = toy.manager.profile()["params"]["searchSpace"]
    assert space["stage1.depth"] == {"_type": "choice", "_value": [1, 2]}
    assert set(toy.manager.jobs()[1]["hyperParameters"]) and "stage1.block1.operator" in space


def test_stop_and_resume_lose_and_repeat_nothing(toy: ToyExperiment) -> None:
    toy.set(TOY_SECONDS="0.7")
    toy.write(trials=13)
    toy.create()
    for seen in (3, 7):  # twice, to meet a resumed state that is saved again
        toy.until(lambda status, seen=seen: len(toy.store) >= seen)  # type: ignore[misc]
        before = {result.architecture.hash: result for result in toy.store.all()}
        toy.stop()
        toy.resume()
        assert all(toy.store.get(name) == result for name, result in before.items())
    toy.wait("DONE")
    # A trial that NNI was restarting when it was stopped stays ADD_RESUMED: another one did its work.
    listed = toy.manager.jobs()
    jobs = [job for job in listed if job["status"] != "ADD_RESUMED"]
    assert Counter(job["status"] for job in jobs) == {"SUCCEEDED": 13}, toy.log()
    hashes = {architecture(job).hash for job in jobs if not is_supernet(job)}
    assert {architecture(job).hash for job in listed if job not in jobs} <= hashes
    assert len(toy.calls("train")) == 1
    done = Counter(what for what, _ in toy.calls("done"))
    assert len(done) == 12 and set(done.values()) == {1}
    evaluated = [item["hash"] for item in toy.evaluated(12)]
    assert sorted(evaluated) == sorted(done) == sorted(check_agreement(toy, jobs))
    assert len({json.loads(job["hyperParameters"][0])["parameter_id"] for job in jobs}) == 13


def test_a_search_of_before_goes_on_by_accuracy(toy: ToyExperiment) -> None:
    """Its settings do not say what ranks, and its results have no loss: all of it stays as it was."""
    toy.set(TOY_SECONDS="0.7")
    toy.write(trials=13, **BEFORE["search"])
    toy.create()
    files = toy.experiment_folder
    store = ResultsStore(files.evaluations, "accuracy")
    toy.until(lambda status: len(store) >= 3)
    toy.stop()
    settings = json.loads(files.project.read_text())
    for field in BEFORE["search"]:
        del settings["search"][field]
    files.project.write_text(json.dumps(settings))
    for result in store.all():
        store.add(replace(result, loss=None))
    assert len(store) < 12
    toy.resume()
    toy.until(lambda status: len(store) == 12)
    toy.wait("DONE")
    assert json.loads(files.project.read_text())["search"].items() >= BEFORE["search"].items()
    known = {result.architecture.hash: toy_accuracy(result.architecture) for result in store.all()}
    assert {item["hash"]: item["score"] for item in toy.evaluated(12)} == known and len(known) == 12
    # A trial that is stopped between its report and its end is resumed by NNI, and says the same once more.
    metrics = toy.manager.get("/metric-data?type=FINAL")
    finals = {(metric["trialJobId"], numbers(metric)["default"]) for metric in metrics}
    assert sorted(value for _, value in finals) == sorted(known.values())


def test_error_of_the_supernet_ends_the_experiment(toy: ToyExperiment) -> None:
    toy.set(TOY_SUPERNET="fails")
    toy.write()
    toy.create()
    status = toy.wait("ERROR")
    assert status["errors"]
    message = toy.experiment_folder.error.read_text()
    assert "the toy supernet was told to fail" in message
    assert len(toy.manager.jobs()) == len(toy.calls("train")) == 2  # one retry, no candidate


def test_unreachable_budget_is_refused_by_nnictl_create(toy: ToyExperiment) -> None:
    toy.write(max_flops=1000)
    toy.create()
    toy.wait("ERROR")
    message = toy.experiment_folder.error.read_text()
    assert message.startswith("search.max_flops: found 1000, allowed: ")
    assert toy.manager.jobs() == []


def test_space_that_is_used_up_ends_the_experiment(toy: ToyExperiment) -> None:
    toy.write(trials=60, max_flops=5.6e6)
    toy.create()
    toy.wait("DONE")
    jobs = toy.manager.jobs()
    assert 1 < len(jobs) < 60
    assert len(check_agreement(toy, jobs)) == len(jobs) - 1 == len(toy.store)
