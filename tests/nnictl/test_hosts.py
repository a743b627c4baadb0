"""Searches with NNI's `remote` service over two hosts that ssh reaches; see `tests.helpers.ssh_hosts`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers.patience import until
from tests.helpers.remote_experiment import RemoteExperiment
from tests.helpers.ssh_hosts import needs_hosts, ssh
from tests.helpers.toy_experiment import architecture
from trionet_nni.finalists.halving import Training, rungs, trials
from trionet_nni.finalists.results import FinalistStore
from trionet_nni.nnictl.candidate.finalist import train_here, training_of
from trionet_nni.nnictl.candidate.job import finalist_parameters, metric_number
from trionet_nni.settings.plugins import load_table
from trionet_nni.supernet.evaluator import Evaluator

_CANDIDATES = 60
_MORE = 150  # of a search in which a host comes back
_BEFORE = 15  # candidates with a result when a host is taken away
_RESULTS = "trionet/evaluations/*.json"
_FINALISTS = {"count": 3, "steps": 120, "repeats": 2, "pilots": 4}  # seven networks once, two twice
_TRAINED = "trionet/finalists/results/*.json"

pytestmark = pytest.mark.slow(seconds=300)


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteExperiment]:
    needs_hosts()
    experiment = RemoteExperiment(tmp_path, monkeypatch)
    try:
        yield experiment
    finally:
        experiment.close()


def test_hosts_are_apart(remote: RemoteExperiment) -> None:
    """What the other tests rely on: a host sees neither the searching machine's folder nor this project."""
    for host in remote.hosts:
        seen = ssh(host, [f"echo $HOME; ls {remote.toy.folder}"])
        assert seen.stdout.splitlines() == ["/home"] and "No such file" in seen.stderr
        code = ssh(host, [f"cd /; {remote.python} -c 'import trionet_nni.errors'"])
        assert "ModuleNotFoundError" in code.stderr
    a, b = remote.hosts
    ssh(a, ["touch ~/mark"])
    assert a.holds("mark") and not b.holds("mark")


@pytest.mark.parametrize("how", ["taken away", "silent"])
def test_a_host_disappears_in_mid_search(remote: RemoteExperiment, how: str) -> None:
    """Nothing is lost, nothing counts twice, and each value is that of its own architecture."""
    remote.write(candidates=_CANDIDATES)
    remote.train_supernet()
    remote.create()
    toy = remote.toy
    until(lambda: len(toy.store) >= _BEFORE, toy.log)
    lost, left = remote.hosts
    assert lost.holds(f"nni-experiments/{toy.id}/{_RESULTS}"), "both take part"
    if how == "silent":
        lost.freeze()
    else:
        lost.take_away()
    toy.wait("DONE")
    jobs = toy.manager.jobs()
    check_books(remote, jobs)
    gone = {job["trialJobId"] for job in jobs if job["status"] == "SYS_CANCELED"}
    assert 0 < len(gone) <= 4, "what ran there, or was just being started"
    assert {failure["trial"] for failure in toy.failures()} == gone
    assert all(failure["reason"] == "its host was lost" for failure in toy.failures())
    here = {path.stem for path in left.holds(f"nni-experiments/{toy.id}/{_RESULTS}")}
    end = max(job["endTime"] for job in jobs if job["trialJobId"] in gone)
    later = [job for job in jobs if job["status"] == "SUCCEEDED" and job["startTime"] > end]
    assert later and {architecture(job).hash for job in later} <= here, "the rest ran on the other host"


def check_books(
    remote: RemoteExperiment, jobs: list[dict[str, Any]], candidates: int = _CANDIDATES
) -> None:
    """Every candidate has one value, and it is the one that a single process finds."""
    toy = remote.toy
    counted = toy.evaluated(candidates)
    hashes = Counter(one["hash"] for one in counted)
    assert len(counted) == candidates and set(hashes.values()) == {1}
    results = {result.architecture.hash: result for result in toy.store.all()}
    assert results.keys() == hashes.keys()
    done = [job for job in jobs if job["status"] == "SUCCEEDED"]
    assert Counter(architecture(job).hash for job in done) == hashes
    alone = Evaluator(remote.config, remote.supernet, remote.cache)
    for one in counted:
        result = results[one["hash"]]
        again = alone.evaluate(result.architecture)
        assert (result.loss, result.accuracy) == (again.loss, again.accuracy)
        assert one["score"] == result.score("loss")
    for job in done:
        (metric,) = job["finalMetricData"]
        assert metric_number(json.loads(metric["data"])) == results[architecture(job).hash].score("loss")


def test_finalists_are_trained_on_hosts_though_one_disappears(
    remote: RemoteExperiment, tmp_path: Path
) -> None:
    """Pilots, the others and the second rung, with the images that were sent; bit for bit as here."""
    ladder = rungs(**_FINALISTS)
    count = trials(ladder)
    retrain = {"batch_size": 32, "warmup_epochs": 0.1, "learning_rate": 0.05, "augment": "shift"}
    most = 1 + count + ladder[0].networks
    remote.write(candidates=most, finalists=_FINALISTS, retrain=retrain)
    remote.train_supernet()
    remote.create()
    toy, (lost, left) = remote.toy, remote.hosts
    until(lambda: bool(lost.holds(f"nni-experiments/{toy.id}/trionet/finalists/runs/*/*")), toy.log)
    lost.take_away()
    toy.wait("DONE")
    jobs = [job for job in toy.manager.jobs() if finalist_parameters(job["hyperParameters"][0])]
    gone = {job["trialJobId"] for job in jobs if job["status"] != "SUCCEEDED"}
    assert gone and all(job["status"] in ("SUCCEEDED", "SYS_CANCELED") for job in jobs)
    assert all(failure["reason"] == "its host was lost" for failure in toy.failures())
    store, space = FinalistStore(toy.experiment_folder.finalists), remote.config.space
    done: dict[tuple[str, int], float] = {}
    for job in (job for job in jobs if job["trialJobId"] not in gone):
        parameters = finalist_parameters(job["hyperParameters"][0])
        assert parameters is not None
        training = training_of(parameters, load_table(space).space, ladder)
        (metric,) = job["finalMetricData"]
        assert training.key not in done, "trained twice"
        done[training.key] = -metric_number(json.loads(metric["data"]))
        result = store.get(training)
        assert result is not None and result.loss == done[training.key]
    assert len(done) == count and not store.missing(ladder)
    assert left.holds(f"nni-experiments/{toy.id}/{_TRAINED}"), "both take part"
    (winner, *_), *_ = store.ordered(ladder)
    check_trainings(remote, [Training(winner.architecture, rung) for rung in ladder], tmp_path)


def check_trainings(remote: RemoteExperiment, trainings: list[Training], folder: Path) -> None:
    """What was stored of them is what this machine finds, with its own images and as many threads."""
    store, threads = FinalistStore(remote.toy.experiment_folder.finalists), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for one in trainings:
            here = folder / f"rung-{one.rung.number}"
            again = train_here(remote.config, remote.cache, one, here, lambda point: None)
            known = store.get(one)
            assert known is not None
            assert (known.loss, known.accuracy, known.images) == (again.loss, again.accuracy, again.images)
    finally:
        torch.set_num_threads(threads)


def test_a_host_comes_back_and_a_stopped_search_goes_on(remote: RemoteExperiment) -> None:
    """A host that answers again is used again; after a stop nothing is left running on any."""
    remote.write(candidates=_MORE)
    remote.train_supernet()
    remote.create()
    toy, (lost, _) = remote.toy, remote.hosts
    until(lambda: len(toy.store) >= 4, toy.log)
    lost.take_away()
    before = len(lost.holds(f"nni-experiments/{toy.id}/{_RESULTS}"))
    lost.start()
    until(lambda: len(lost.holds(f"nni-experiments/{toy.id}/{_RESULTS}")) > before, toy.log)
    assert len(toy.store) < _MORE
    toy.stop()
    until(lambda: not any(host.at_work() for host in remote.hosts), lambda: str(lost.at_work()))
    toy.resume()
    toy.wait("DONE")
    check_books(remote, toy.manager.jobs(), _MORE)


def test_what_a_host_has_is_not_sent_again(remote: RemoteExperiment) -> None:
    """A second search sends nothing but its settings, and what has changed on a host meanwhile."""
    remote.write(candidates=4)
    remote.train_supernet()
    remote.create()
    remote.toy.wait("DONE")
    first = remote.sent()
    assert len(first) == 2 and all(received == whole > 0 for received, whole in first)
    remote.toy.stop()
    damaged = remote.hosts[0].holds("nni-experiments/trionet/store/*")[0]
    size = damaged.stat().st_size
    damaged.write_bytes(b"?" * size)
    remote.create()
    remote.toy.wait("DONE")
    assert [received for received, _ in remote.sent()] == [size, 0]
    assert len(remote.toy.store) == 4
