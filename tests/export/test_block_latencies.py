"""A table of block latencies: it is resumed, it predicts, and a search keeps its limit."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from numpy.random import RandomState

from spaces import small_conv
from tests.helpers.checkout import ROOT
from trionet_nni.architecture.budget import Budget
from trionet_nni.architecture.cost import CostModel
from trionet_nni.cli import main
from trionet_nni.errors import InputError
from trionet_nni.experiment.check import check_experiment
from trionet_nni.experiment.open import open_experiment
from trionet_nni.export.deploy import block_latencies
from trionet_nni.export.deploy.block_latencies import Conditions, check_table, measure_table
from trionet_nni.settings.latency_table import LatencyTable

COST = CostModel(10, 1, 28)
CONDITIONS = Conditions(small_conv.TABLE, COST, "torch", 2, 1)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_latencies, "_BLOCK_SECONDS", 0.01)
    monkeypatch.setattr(block_latencies, "_NETWORK_SECONDS", 0.02)


def test_what_was_measured_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, measured = tmp_path / "table.json", block_latencies._at
    places: list[object] = []

    def interrupted(place: object, conditions: Conditions) -> list[dict[str, object]]:
        if len(places) == 2:
            raise KeyboardInterrupt
        places.append(place)
        return measured(place, conditions)  # type: ignore[arg-type]

    monkeypatch.setattr(block_latencies, "_at", interrupted)
    with pytest.raises(KeyboardInterrupt):
        measure_table(CONDITIONS, path, progress=False)
    assert not path.exists()
    first = list(places)
    places.clear()
    monkeypatch.setattr(block_latencies, "_at", lambda place, c: places.append(place) or measured(place, c))
    table = measure_table(CONDITIONS, path, progress=False)
    frame = small_conv.TABLE.skeleton
    every = {frame.place(*at, 28) for at in small_conv.TABLE.positions()}
    assert len(places) == len(set(places)) and {*first, *places} == every and not {*first} & {*places}
    assert set(table.blocks) == every
    assert all(set(found) == set(small_conv.TABLE.blocks) for found in table.blocks.values())
    assert [one.name for one in tmp_path.iterdir()] == ["table.json"]
    before = path.read_bytes()
    assert measure_table(CONDITIONS, path).file == table.file == LatencyTable.load(path).file
    assert path.read_bytes() == before
    with pytest.raises(InputError, match="batch: found 2, allowed: 3, or a new file"):
        measure_table(Conditions(small_conv.TABLE, COST, "torch", 3, 1), path)


def test_predictions_are_near_networks_that_were_not_seen(tmp_path: Path) -> None:
    table = measure_table(CONDITIONS, tmp_path / "table.json", progress=False)
    for _ in range(4):  # on a machine that other work keeps busy, one of them is not disturbed
        found = check_table(table, CONDITIONS, 9)
        assert len(found.measured) == len(found.predicted) == 9
        if near := found.error < 0.5 and found.tau > 0.3:
            break
    assert near, found
    low, high = sorted(found.predicted)[:: len(found.predicted) - 1]
    assert 0 < low < high


def test_a_table_of_before_there_were_factors_predicts_as_it_did(tmp_path: Path) -> None:
    table = measure_table(CONDITIONS, tmp_path / "table.json", progress=False)
    former = table.file.model_dump(exclude={"scales", "margin"})
    path = tmp_path / "former.json"
    path.write_text(json.dumps(former))
    network = Budget.of(small_conv.TABLE, COST, 0, 1e15).random(RandomState(0))
    expected = former["outside"] + former["scale"] * sum(table.totals(network).values())
    assert LatencyTable.load(path).predict(network) == pytest.approx(expected)
    assert table.predict(network) == pytest.approx(
        former["outside"] + sum(table.file.scales[k] * v for k, v in table.totals(network).items())
    )


def experiment(folder: Path, **budget: object) -> Path:
    settings = yaml.safe_load((ROOT / "experiments" / "quickstart.yml").read_text(encoding="utf-8"))
    settings["tuner"]["codeDirectory"] = str(ROOT)
    settings["trialCodeDirectory"] = str(ROOT)
    settings["experimentWorkingDirectory"] = str(folder / "runs")
    arguments = settings["tuner"]["classArgs"]
    arguments["space"] = "spaces.small_conv"
    arguments["search"]["budget"] = budget
    arguments["search"]["band"] = 0
    path = folder / "experiment.yml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def test_a_search_keeps_the_latency_of_its_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "table.json"
    typed = [
        "latency",
        "--table",
        str(path),
        "--experiment",
        str(experiment(tmp_path, params=10**9)),
        "--check",
    ]
    assert main(typed) == 0
    said = capsys.readouterr().out
    assert re.search(r"20 other networks: median error \d+\.\d%, Kendall's τ -?[01]\.\d", said)
    table = LatencyTable.load(path)
    free = Budget.of(small_conv.TABLE, COST, 0, 1e15)
    times = sorted(table.predict(free.random(RandomState(seed))) for seed in range(40))
    safe = 1 + table.file.margin
    limit = safe * times[10]
    checked = check_experiment(open_experiment(experiment(tmp_path, latency_ms=limit, table=str(path))))
    (budget,) = checked.budgets
    drawn = [budget.random(RandomState(seed)) for seed in range(40)]
    assert safe * max(map(table.predict, drawn)) <= limit
    refused = experiment(tmp_path, latency_ms=times[0] / 100, table=str(path))
    with pytest.raises(InputError, match=r"search\.budget\.latency_ms: found .*, allowed: .* or more"):
        check_experiment(open_experiment(refused))


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({"latency_ms": 5}, "latency_ms and table together, or neither"),
        ({"latency_ms": 5, "table": "nowhere.json"}, "nowhere.json: cannot be read"),
        ({"latency_ms": 0, "table": "x"}, "search.budget.latency_ms: found 0"),
        ({"params": 0}, "search.budget.params: found 0"),
        ({"parameters": 5}, "no such key"),
    ],
)
def test_wrong_limits_are_one_line(budget: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        check_experiment(open_experiment(experiment(tmp_path, **budget)))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    measure_table(CONDITIONS, path, progress=False)
    data = json.loads(path.read_text())
    for change, message in (
        ({"image_size": 32}, "image_size: found 32, allowed: 28"),
        ({"blocks": data["blocks"][1:]}, "search.budget.table: found no "),
        ({"format": 2}, "format: found 2"),
        ({"outside": "x"}, "outside: found 'x'"),
    ):
        path.write_text(json.dumps({**data, **change}))
        with pytest.raises(InputError) as caught:
            check_experiment(open_experiment(experiment(tmp_path, latency_ms=50, table=str(path))))
        assert message in str(caught.value)
