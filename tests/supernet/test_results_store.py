"""The results store: atomic files, ranking, Pareto front, damaged files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from spaces.small import TABLE
from tests.helpers.architectures import random_architectures
from trionet_nni.errors import InputError
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.nnictl.manager.rest import Manager
from trionet_nni.nnictl.terminal.watch import Watch
from trionet_nni.supernet import results
from trionet_nni.supernet.results import Evaluation, ResultsStore


def filled(folder: Path, *scores: tuple[float, int]) -> ResultsStore:
    store = ResultsStore(folder / "evaluations", "accuracy")
    for network, (accuracy, flops) in zip(random_architectures(TABLE, len(scores)), scores, strict=True):
        store.add(Evaluation(network, accuracy, 500, flops, 10, 0.5))
    return store


def test_round_trip(tmp_path: Path) -> None:
    store = filled(tmp_path, (0.5, 7))
    (result,) = store.all()
    assert store.get(result.architecture.hash) == result and len(store) == 1
    assert Evaluation.from_dict(json.loads(json.dumps(result.to_dict()))) == result
    assert store.get("0" * 16) is None
    assert [path.suffix for path in store.folder.iterdir()] == [".json"]


def test_top_and_pareto(tmp_path: Path) -> None:
    store = filled(tmp_path, (0.5, 10), (0.9, 30), (0.9, 20), (0.4, 40), (0.3, 5))
    assert [(item.accuracy, item.flops) for item in store.top(3)] == [(0.9, 20), (0.9, 30), (0.5, 10)]
    assert [(item.accuracy, item.flops) for item in store.pareto()] == [(0.3, 5), (0.5, 10), (0.9, 20)]
    assert (
        ResultsStore(tmp_path / "none", "accuracy").top(5)
        == []
        == ResultsStore(tmp_path / "none", "accuracy").pareto()
    )


def test_the_smallest_loss_is_the_best_whatever_the_accuracy(tmp_path: Path) -> None:
    store, networks = ResultsStore(tmp_path, "loss"), random_architectures(TABLE, 4)
    for network, accuracy, loss, flops in zip(
        networks, (0.9, 0.5, 0.7, 0.6), (1.4, 1.1, 1.1, 1.2), (30, 20, 10, 5), strict=True
    ):
        store.add(Evaluation(network, accuracy, 500, flops, 10, 0.5, loss))
    order = [networks[number] for number in (2, 1, 3, 0)]  # of equal losses the one with fewer FLOPs
    assert [result.architecture for result in store.top(4)] == order
    assert [result.architecture for result in store.pareto()] == [networks[3], networks[2]]
    again = ResultsStore(tmp_path, "accuracy")
    assert again.all() == store.all() and again.top(1)[0].architecture == networks[0]


def test_a_result_without_the_loss_is_not_ranked_among_those_with_it(tmp_path: Path) -> None:
    store, (first, second) = ResultsStore(tmp_path, "loss"), random_architectures(TABLE, 2)
    store.add(Evaluation(first, 0.5, 500, 7, 10, 0.5, 1.0))
    without = Evaluation(second, 0.9, 500, 7, 10, 0.5)
    for bad in (without, replace(without, loss=float("nan"))):
        with pytest.raises(ValueError, match="loss: found"):
            store.add(bad)
    assert len(store) == 1
    ResultsStore(tmp_path, "accuracy").add(without)  # of another time
    assert Evaluation.from_dict(without.to_dict()) == without and "loss" not in without.to_dict()
    for read in (lambda: store.top(1), store.pareto, store.all, lambda: store.get(second.hash)):
        with pytest.raises(InputError, match=rf"/{second.hash}.json: loss: found none, allowed: ") as said:
            read()
        assert "\n" not in str(said.value)


@pytest.mark.parametrize("accuracy", [float("nan"), float("inf")])
def test_no_number_is_refused(tmp_path: Path, accuracy: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        filled(tmp_path, (accuracy, 1))
    assert not (tmp_path / "evaluations").exists()


@pytest.mark.parametrize(
    "change", [{"accuracy": "abc"}, {"accuracy": True}, {"flops": None}, {"architecture": {}}]
)
def test_damaged_file_is_named(tmp_path: Path, change: dict[str, object]) -> None:
    store = filled(tmp_path, (0.5, 7))
    (path,) = store.folder.iterdir()
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=path.name):
        store.all()
    path.write_text("{")
    with pytest.raises(InputError, match=path.name):
        store.all()


def test_each_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal looks each second; see `trionet_nni.nnictl.terminal.watch`."""
    manager = cast(
        Manager, SimpleNamespace(get=lambda path: answers[path], jobs=list, profile=lambda: {"params": {}})
    )
    answers: dict[str, object] = {"/check-status": {"status": "RUNNING"}, "/metric-data-latest": []}
    opened: list[str] = []
    read = results.read_json
    monkeypatch.setattr(
        results, "read_json", lambda path, what: (opened.append(path.name), read(path, what))[1]
    )
    files = ExperimentFolder(tmp_path)
    settings = {"space": "spaces.small", "search": {"max_flops": 1e9}}  # of before metrics had a name
    files.home.mkdir(parents=True)
    files.project.write_text(json.dumps(settings))
    networks = random_architectures(TABLE, 3)
    watch, store = Watch(manager, files, 1), ResultsStore(files.evaluations, "accuracy")
    for number, network in enumerate(networks):
        store.add(Evaluation(network, number / 10, 500, 7, 10, 0.5))
        best = watch.snapshot().best
        assert best is not None and best.architecture == network
        assert watch.snapshot() == watch.snapshot()
        assert opened == [f"{one.hash}.json" for one in networks[: number + 1]]
    changed = Evaluation(networks[0], 0.9, 500, 7, 10, 0.5)
    store.add(changed)
    assert watch.snapshot().best == changed and len(opened) == 4
