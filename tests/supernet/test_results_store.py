"""The results store: atomic files, ranking, Pareto front, damaged files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spaces.small import TABLE
from tests.helpers.architectures import random_architectures
from trionet_nni.errors import InputError
from trionet_nni.supernet.results import Evaluation, ResultsStore


def filled(folder: Path, *scores: tuple[float, int]) -> ResultsStore:
    store = ResultsStore(folder / "evaluations")
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
    assert ResultsStore(tmp_path / "none").top(5) == [] == ResultsStore(tmp_path / "none").pareto()


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
