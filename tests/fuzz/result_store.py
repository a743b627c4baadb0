"""The results of a search and of its finalists, as every command that ranks networks reads them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fuzz.target import SEPARATOR, Target, parts
from tests.hostile.bench import ARCHITECTURE, evaluation
from trionet_nni.finalists.halving import Training, rungs
from trionet_nni.finalists.results import FinalistResult, FinalistStore
from trionet_nni.supernet.results import Evaluation, ResultsStore

LADDER = rungs(count=2, steps=10, repeats=2)


def _read(data: bytes, folder: Path) -> None:
    """An evaluation, who the finalists are, and what one of them reached."""
    result, chosen, finalist = parts(data, 3)
    _write(folder / "evaluations" / f"{ARCHITECTURE.hash}.json", result)
    _write(folder / "finalists" / "finalists.json", chosen)
    _write(folder / "finalists" / "results" / f"{ARCHITECTURE.hash}-rung1.json", finalist)
    for metric in ("accuracy", "loss"):
        store = ResultsStore(folder / "evaluations", metric)
        found = store.all()
        assert store.top(1) == store.pareto() == found
        for one in found:
            assert Evaluation.from_dict(one.to_dict()) == one == store.get(ARCHITECTURE.hash)
            store.add(one)
    standings = FinalistStore(folder / "finalists").ordered(LADDER)
    assert all(standing.loss >= 0 for bracket in standings for standing in bracket)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def finalist_files() -> list[bytes]:
    """Who the finalists are, and the result of one."""
    result = FinalistResult(Training(ARCHITECTURE, LADDER[0]), 0.7, 0.5, 4, 1.0)
    chosen = {"budgets": [[ARCHITECTURE.to_dict()]]}
    return [json.dumps(chosen).encode(), json.dumps(result.to_dict()).encode()]


def _seeds() -> list[bytes]:
    halved = {"hash": ARCHITECTURE.hash, "rung": 1, "loss": None}
    stopped = {**evaluation(), "stopped": True}
    chosen, finalist = finalist_files()
    return [
        SEPARATOR.join([json.dumps(evaluation()).encode(), chosen, finalist]),
        SEPARATOR.join([json.dumps(stopped).encode(), chosen, json.dumps(halved).encode()]),
    ]


TARGET = Target("result_store", _read, _seeds)
