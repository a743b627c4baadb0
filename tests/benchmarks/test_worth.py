"""The comparison: its statistics, and that a unit which was killed goes on and is done once."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl

from benchmarks.worth import page, piloted, predicted
from benchmarks.worth.case import CASES, Case
from benchmarks.worth.drawn import alone, near, spread
from benchmarks.worth.fidelity import best_of_all
from benchmarks.worth.handmade import STYLES, handmade
from benchmarks.worth.meter import Meter
from benchmarks.worth.plan import plan
from benchmarks.worth.records import Records
from benchmarks.worth.runner import compute, run
from benchmarks.worth.scoring import Scoring
from benchmarks.worth.scratch import Training
from benchmarks.worth.search import Search
from benchmarks.worth.source import Given
from benchmarks.worth.statistics import (
    allowed,
    difference,
    of_both,
    per_doubling,
    reliability,
    without_noise,
)
from benchmarks.worth.study import inside_band, suggested
from benchmarks.worth.unit import Bench, Unit
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.finalists.halving import Rung
from trionet_nni.reproduce import statistics as reproduced
from trionet_nni.settings.project import DataConfig, RecipeConfig
from trionet_nni.supernet.results import Evaluation, ranked
from trionet_nni.training import fit as fitting

_RECIPE = RecipeConfig(
    steps=12, batch_size=16, learning_rate=0.05, warmup_epochs=0, augment="shift", precision="32-true"
)
TINY = Case(
    name="tiny",
    title="tiny",
    space="spaces.tiny",
    data=DataConfig(
        name="digits", image_size=8, test_fraction=0.99, search_images=10, recalibration_images=2
    ),
    flops=3e5,
    training=_RECIPE,
    supernet=_RECIPE,
    candidates=4,
    repeats=1,
    costs=(),
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Records(tmp_path / "results", tmp_path / "kept"), tmp_path)


@pytest.fixture
def unit() -> Training:
    return Training(TINY, Given("one", spread(CASES["digits"])[0]), seed=0)


class _Kill(pl.Callback):
    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any) -> None:
        if trainer.global_step == 7:
            raise KeyboardInterrupt


def test_an_interrupted_unit_goes_on_and_gives_the_same(
    bench: Bench, unit: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    other = Bench(Records(tmp_path / "other" / "results", tmp_path / "kept"), tmp_path / "other")
    compute(unit, other)
    fit, resumed = fitting.fit, []

    def killed(*arguments: Any, **settings: Any) -> Any:
        settings |= {"checkpoint_minutes": 0, "callbacks": [_Kill()]}
        return fit(*arguments, **settings)

    def noting(*arguments: Any, **settings: Any) -> Any:
        found = fit(*arguments, **settings)
        resumed.append(found["resumed_from"])
        return found

    monkeypatch.setattr(fitting, "fit", killed)
    with pytest.raises(KeyboardInterrupt):
        compute(unit, bench)
    assert bench.result(unit) is None
    monkeypatch.setattr(fitting, "fit", noting)
    compute(unit, bench)
    found, expected = bench.result(unit), other.result(unit)
    assert found is not None and expected is not None
    assert resumed[0] > 0 and found["starts"] == 2
    same = set(expected) - {"cpu_seconds", "starts"}
    assert {name: found[name] for name in same} == {name: expected[name] for name in same}
    assert not bench.work(unit).exists()


def test_what_is_kept_is_not_computed_again(bench: Bench, unit: Training):
    bench.records.add(unit.identity, {"cpu_seconds": 1.0})
    kept = bench.records.keep("tiny", [unit.identity, "missing"])
    fresh = Bench(Records(bench.folder / "nothing", kept.parent), bench.folder)
    assert fresh.result(unit) == {"cpu_seconds": 1.0}
    assert run([unit], fresh, math.inf) == 0


def test_cpu_seconds_add_up_over_starts(tmp_path: Path):
    file = tmp_path / "cpu.json"
    file.write_text(json.dumps({"seconds": 40, "starts": 2}))
    with Meter(file) as meter:
        sum(range(100_000))
    found = json.loads(file.read_text())
    assert meter.starts == found["starts"] == 3
    assert 40 < meter.seconds < 45 and found["seconds"] >= 40


def test_every_unit_comes_after_what_it_needs_and_has_a_name_of_its_own():
    units = plan()
    order = {unit.identity: number for number, unit in enumerate(units)}
    assert len(order) == len(units)
    assert all(order[need.identity] < order[unit.identity] for unit in units for need in unit.needs)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_networks_at_equal_cost_cost_the_same(case: Case):
    low, high = case.band
    rivals = [handmade(case, style) for style in STYLES]
    rivals += [network for name in case.table.operator_names for network in alone(case, name)]
    assert all(low <= case.cost(network).flops <= high for network in rivals)
    assert len({network.hash for network in near(case)}) >= 20
    flops = [case.cost(network).flops for network in spread(case)]
    assert len(flops) >= 20 and max(flops) > 4 * min(flops)


def test_repeated_trainings_of_a_seed_are_one_value():
    a = {0: 3.0, 1: 4.0, 2: 5.0, 3: 5.0, 4: 6.0}
    b = {0: 1.0, 1: 1.0, 3: 1.0, 4: 1.0, 5: 9.0}
    found = difference(a, b, lambda seed: seed % 3)
    assert found is not None and found.low is not None
    assert (found.mean, found.seeds) == (3.5, 2)  # of 3 and 4
    assert found.low == pytest.approx(3.5 - 6.314 * 0.5, abs=0.01)  # t of one degree of freedom, 95 %
    assert difference({0: 1.0}, {1: 1.0}, int) is None


def test_reliability_finds_the_share_of_the_variance_that_is_not_noise():
    random = np.random.default_rng(0)
    truth, hard = random.normal(size=(4_000, 1)), 5 * random.normal(size=(1, 4))
    rows = truth + hard + 2 * random.normal(size=(4_000, 4))
    assert reliability(rows) == pytest.approx(0.5, abs=0.03)  # 1 ÷ (1 + 2² ÷ 4)
    assert reliability(random.normal(size=(4_000, 4))) < 0.1
    assert of_both(0.9, 0.8) == pytest.approx(0.7)


def test_noise_of_both_sides_is_taken_out_of_tau():
    from scipy.stats import kendalltau

    random = np.random.default_rng(0)
    truth = random.normal(size=2_000)
    a, b = (truth + random.normal(size=2_000) for _ in range(2))
    seen = float(kendalltau(a, b).statistic)
    assert allowed(0.5, 0.5) == pytest.approx(seen, abs=0.02)
    found = without_noise(seen, 0.5, 0.5)
    assert found is not None and found > 0.8  # ρ is 0.95 or so: the arcsine is steep there
    assert without_noise(0.3, 0.0, 0.9) is None
    assert without_noise(0.3, 1.0, 1.0) == pytest.approx(0.3)


def test_the_best_of_all_is_told_by_another_training():
    trained = [
        [0.9, 0.5, 0.7],
        [0.6, 0.5, 0.8],
    ]  # the first training prefers network 0, the second network 2
    assert best_of_all(trained, 1)["chosen"] == pytest.approx(0.65)
    assert best_of_all(trained, 1)["mean"] == pytest.approx(4 / 6)
    assert best_of_all(trained, -1)["chosen"] == pytest.approx(0.5)
    assert best_of_all(trained[:1], 1)["chosen"] is None


def test_slopes_are_per_doubling():
    flops = [1e6, 2e6, 4e6, 8e6, 16e6]
    first, second, apart = per_doubling(flops, [1, 2, 3, 4, 5], [0, 3, 6, 9, 12])
    assert (first.value, second.value, apart.value) == pytest.approx((1, 3, -2))
    assert first.low == pytest.approx(1)


def test_a_proposal_of_optuna_becomes_a_network_at_the_cost_of_the_comparison():
    optuna = pytest.importorskip("optuna")
    case = CASES["digits"]
    for network in spread(case):
        trial = optuna.trial.FixedTrial(network.to_sample())
        assert suggested(trial, case.table) == network
        inside = inside_band(case, network, np.random.RandomState(0))
        assert case.band[0] <= case.cost(inside).flops <= case.band[1]
    at_cost = alone(case, "local")[0]
    assert inside_band(case, at_cost, np.random.RandomState(0)) == at_cost


def _measured(random: np.random.Generator, quality: float) -> dict[str, Any]:
    """As `measure` gives it, of a network that is so good."""
    losses = 1 - quality + 0.01 * random.normal(size=20)
    accuracies = quality + 0.01 * random.normal(size=20)
    found = {"loss": losses.mean(), "accuracy": accuracies.mean(), "images": 100}
    return {**found, "losses": losses.tolist(), "accuracies": accuracies.tolist()}


def _made_up(unit: Unit, random: np.random.Generator) -> dict[str, Any]:
    """A result in the form of the unit's; of a network, the dearer the better."""

    def quality(given: Given) -> float:
        return 0.1 * math.log2(unit.case.cost(given.architecture).flops / 1e5)

    facts = {"flops": 1, "operators": "conv | conv", "network": None, "order": [], "cpu_seconds": 2.0}
    if isinstance(unit, Scoring):
        return facts | {"scores": {one.key: _measured(random, quality(one)) for one in unit.networks}}
    found = quality(unit.source) if isinstance(unit, Training) and isinstance(unit.source, Given) else 0.8
    return facts | _measured(random, found)


def test_the_table_of_made_up_results(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reproduced, "RESAMPLES", 99)
    empty = page.section(page.numbers(bench))
    assert "; 0 of" in empty and "(a) Equal" not in empty
    random = np.random.default_rng(0)
    bench.records._known = {unit.identity: _made_up(unit, random) for unit in plan()}
    found = page.numbers(bench)
    for name in CASES:
        networks = [row["network"] for row in found[name]["equal_cost"]]
        assert {"searched", "random network", "best conv alone", "axial-style"} <= set(networks)
        assert len(found[name]["equal_compute"]) == 10
        range_rows = found[name]["rank_fidelity"]["range"]["rows"]
        assert all(row["tau"] > 0.7 and row["without_noise"] >= row["tau"] for row in range_rows)
        slopes = found[name]["rank_fidelity"]["range"]["slopes"]
        assert slopes["from scratch"]["value"] == pytest.approx(10, abs=0.5)  # points
        assert found[name]["errors"]["regression"]["range"]["tau"] > 0.7  # made-up losses follow FLOPs
    assert json.dumps(found, allow_nan=False)
    text = page.section(found)
    assert text.count("(c) Rank fidelity") == len(CASES)
    for name in CASES:
        ahead = [row.get("accuracy_ahead_of_alone") for row in found[name]["equal_compute"]]
        assert ahead.count(None) == 1  # of the best of all alone itself
    assert "nan" not in text


def test_the_regression_finds_what_the_pilots_teach(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Made-up losses: a block helps, attention helps; divisions of the images differ by more than that."""

    def loss(network: Architecture, rung: Rung) -> float:
        blocks = [block for stage in network.stages for block in stage]
        attention = sum(block.operator == "local" for block in blocks)
        return rung.number - 0.1 * len(blocks) - 0.02 * attention

    monkeypatch.setattr(predicted, "FinalistTrainer", lambda case, config, folder: loss)
    found = predicted.Predicted(CASES["digits"], 0, 24).compute(bench, Meter(tmp_path / "meter"))
    winner = Architecture.from_dict(found["network"])
    assert winner.depths == (2, 2)
    assert winner.operators == "local local | local local"
    assert len(found["order"]) == 8


def test_a_search_with_pilots_finds_what_its_supernet_does_not_see(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Made-up scores of a supernet that likes shallow networks; from scratch local attention is best."""

    def loss(network: Architecture, rung: Rung) -> float:
        blocks = [block for _, block in network.blocks()]
        return rung.number - sum(block.operator == "local" for block in blocks) / len(blocks)

    case = CASES["digits"]
    drawn = near(case)
    made_up = [Evaluation(one, 0.5, 10, 10**6, 10, 1.0, loss=float(sum(one.depths))) for one in drawn]
    monkeypatch.setattr(piloted, "FinalistTrainer", lambda case, config, folder: loss)
    monkeypatch.setattr(Search, "evaluations", lambda self, bench: ranked(made_up, "loss"))
    unit = piloted.Piloted(case, 0, 8, 0.5)
    monkeypatch.setattr(
        bench.records, "get", lambda name: {"candidates": Search.rows(ranked(made_up, "loss"))}
    )
    found = unit.compute(bench, Meter(tmp_path / "meter"))
    assert found["as_recorded"]
    best = min(loss(one, Rung(1, 1, 1)) for one in drawn)
    assert loss(Architecture.from_dict(found["network"]), Rung(1, 1, 1)) == best
    assert len(found["order"]) == 8 + piloted.COUNT and unit.config.steps == 375


def test_the_section_takes_the_place_of_the_one_before(tmp_path: Path):
    file = tmp_path / "results.md"
    file.write_text("# Results\n")
    page.write("one\n", file)
    page.write("two\n", file)
    assert file.read_text() == f"# Results\n\n{page.BEGIN}two\n{page.END}"
