"""One search under several budgets: turns, shared results, winners, refusals (folders: tests of export)."""

from __future__ import annotations

import hashlib
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from nni.nas.execution.event import FinalMetricEvent, TrainingEndEvent
from nni.nas.space import ModelStatus
from numpy.random import RandomState

from spaces import small, small_conv, trionet
from strategies.evolution import BudgetedEvolution, build
from strategies.variation import Variation
from tests.helpers.checkout import ROOT
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.budget import Budget, budget_name, budgets_of
from trionet_nni.architecture.cost import CostModel
from trionet_nni.cli import main
from trionet_nni.errors import InputError
from trionet_nni.experiment.check import Task
from trionet_nni.nnictl.search.candidate import CandidateSpace
from trionet_nni.nnictl.search.in_process import InProcessEngine
from trionet_nni.report.pareto import front_rows
from trionet_nni.settings.project import (
    DataConfig,
    ProjectConfig,
    SearchConfig,
    load_experiment,
    parse_project,
    read_yaml,
)
from trionet_nni.supernet.results import Evaluation, ResultsStore

COST = CostModel(classes=10, channels=1, image_size=28)
BUDGETS = (7e6, 1.2e7, 2e7)
ONE = {"population": 12, "parents": 4, "seed": 3, "band": 0}  # the paper's search; bands: test_band
SEVERAL = SearchConfig.model_validate({**ONE, "budgets": BUDGETS})
# The first 60 candidates of `SearchConfig(max_flops=2e7, **ONE)` before there were several budgets.
BEFORE = "2d4ce020515016fe42124bb2a4a2c36c2327898e913dc05a44c7a5cf1be5768d"


def score(architecture: Architecture) -> float:
    """A toy accuracy with few ties."""
    return (int(architecture.hash, 16) % 9973) / 9973


def started(config: SearchConfig, engine: InProcessEngine, table: Any = small.TABLE) -> BudgetedEvolution:
    strategy = build(config, table, COST)
    strategy.initialize(CandidateSpace(table), engine)
    return strategy


def run(config: SearchConfig, candidates: int) -> list[Architecture]:
    engine = InProcessEngine(score, candidates)
    started(config, engine).run()
    return [model.architecture for model in engine.models]


@cache
def searched() -> list[Architecture]:
    return run(SEVERAL, 120)


def flops(architecture: Architecture) -> int:
    return COST(architecture).flops


@pytest.mark.parametrize("search", [{"max_flops": 2e7}, {"budgets": [2e7]}])
def test_one_budget_is_searched_as_before(search: dict[str, Any]) -> None:
    hashes = [architecture.hash for architecture in run(SearchConfig.model_validate({**ONE, **search}), 60)]
    assert hashlib.sha256("".join(hashes).encode()).hexdigest() == BEFORE


def test_budgets_take_turns_and_every_candidate_is_new_and_within_its_own() -> None:
    candidates = searched()
    assert len({candidate.hash for candidate in candidates}) == len(candidates) == 120
    for number, candidate in enumerate(candidates):
        assert flops(candidate) <= BUDGETS[number % 3]
    # The first population too: the dearer budgets are used, not only allowed.
    for number in (1, 2):
        assert max(map(flops, candidates[number : SEVERAL.population : 3])) > BUDGETS[number - 1]


def test_parents_are_the_best_within_the_budget_whatever_budget_they_were_made_for() -> None:
    engine = InProcessEngine(score, 60)
    strategy = started(SEVERAL, engine)
    strategy.run()
    shared = 0
    for turn, limit in enumerate(BUDGETS):
        within = [one.architecture for one in engine.models if flops(one.architecture) <= limit]
        best = sorted(within, key=score, reverse=True)[: SEVERAL.parents]
        assert strategy.best_parents(limit) == best
        made_for = {one.architecture for one in engine.models[turn::3]}
        shared += sum(parent not in made_for for parent in best)
    assert shared > 0
    assert strategy.best_parents() == strategy.best_parents(BUDGETS[-1])


def test_children_descend_from_parents_of_their_own_budget() -> None:
    engine = InProcessEngine(score, 60)
    strategy = started(SEVERAL, engine)
    strategy.run()
    for limit in BUDGETS:
        variation = strategy._variation
        assert variation.budget.max_flops == limit
        parents = {*strategy.best_parents(limit)}
        for kind in ("mutate", "crossover"):
            original = getattr(variation, kind)

            def noted(*given: Architecture, parents=parents, original=original) -> Architecture:
                assert {*given} <= parents
                return original(*given)

            object.__setattr__(variation, kind, noted)
        for _ in range(50):
            assert flops(strategy._child()) <= limit
        strategy.new_individual()


@pytest.mark.parametrize("stop", [5, 12, 13, 40])  # within, at the end of, after the first population
def test_a_resumed_search_goes_on_with_the_turns(stop: int) -> None:
    first = InProcessEngine(score, stop)
    interrupted = started(SEVERAL, first)
    interrupted.run()
    saved = json.loads(json.dumps(interrupted.state_dict()))
    rest = InProcessEngine(score, 60 - stop)
    resumed = started(SEVERAL.model_copy(update={"seed": 99}), rest)
    resumed.load_state_dict(saved)
    assert json.loads(json.dumps(resumed.state_dict())) == saved
    resumed.run()
    assert [one.architecture for one in (*first.models, *rest.models)] == searched()[:60]


def test_a_state_of_before_there_were_budgets_is_taken_up() -> None:
    """The turns are in the number of the candidate: a saved state has no field for them."""
    engine = InProcessEngine(score, 20)
    old = started(SearchConfig(max_flops=2e7, **ONE), engine)
    old.run()
    saved = json.loads(json.dumps(old.state_dict()))
    assert saved.keys() == {"seen", "evaluated", "individual_counter", "random_state", "running"}
    rest = InProcessEngine(score, 10)
    resumed = started(SEVERAL, rest)
    resumed.load_state_dict(saved)
    resumed.run()
    for number, model in enumerate(rest.models, 20):
        assert flops(model.architecture) <= BUDGETS[number % 3]
    assert not {one.architecture for one in engine.models} & {one.architecture for one in rest.models}


class WithoutResult(InProcessEngine):
    """Trials that end without a metric."""

    def submit_models(self, *models: CandidateSpace) -> None:
        for model in models:
            self.models.append(model)
            if len(self.models) % 2:
                self.dispatch_model_event(FinalMetricEvent(model, score(model.architecture)))
            self.dispatch_model_event(TrainingEndEvent(model, ModelStatus.Trained))


def test_failed_trials_do_not_move_the_turns() -> None:
    engine = WithoutResult(score, 45)
    started(SEVERAL, engine).run()
    for number, model in enumerate(engine.models):
        assert flops(model.architecture) <= BUDGETS[number % 3]


def test_a_used_up_budget_is_passed_over() -> None:
    """The smaller one holds a single network; the search goes on under the other."""
    cheapest = Budget.of(small_conv.TABLE, COST, 0, 1e15).reachable[0]
    config = SearchConfig.model_validate({"budgets": [cheapest, 2e7], "population": 12, "band": 0})
    engine = InProcessEngine(score, 12)
    started(config, engine, small_conv.TABLE).run()
    costs = [flops(model.architecture) for model in engine.models]
    assert costs[0] == cheapest and costs.count(cheapest) == 1 and len(costs) == 12


def test_a_mutation_ends_where_the_budget_holds_one_network() -> None:
    cheapest = Budget.of(small_conv.TABLE, COST, 0, 1e15).reachable[0]
    budget = Budget.of(small_conv.TABLE, COST, 0, cheapest)
    (network,) = {budget.random(RandomState(seed)) for seed in range(5)}
    assert Variation(budget, 0.1, RandomState(0)).mutate(network) == network


def test_impossible_budgets_are_refused_with_the_range() -> None:
    config = SearchConfig.model_validate({"budgets": [1, 2e7]})
    with pytest.raises(InputError, match=r"^search.budgets: found 1, allowed: 5.424e\+06 to \S+ FLOPs"):
        budgets_of(small.TABLE, COST, config.limits)
    config = SearchConfig.model_validate({"budgets": [1e7, 2e7], "min_flops": 1.5e7})
    with pytest.raises(InputError, match=r"^search.min_flops: found 1.5e\+07, allowed: up to budgets"):
        budgets_of(small.TABLE, COST, config.limits, min_flops=config.min_flops)


@pytest.mark.parametrize(
    "search, message",
    [
        ({}, "max_flops: found nothing, allowed: a value"),
        ({"budgets": []}, r"budgets: found \[\], allowed: .* at least 1 item"),
        ({"budgets": 2e9}, "budgets: found 2000000000.0"),
        ({"budgets": [-1]}, "budgets.0: found -1"),
        ({"budgets": [2e9, float("inf")]}, "budgets.1: found inf"),
        ({"budgets": [3e9, 2e9]}, "budgets: found .* budgets in ascending order, each once"),
        ({"budgets": [2e9, 2e9]}, "budgets: found .* budgets in ascending order, each once"),
        ({"budgets": [2e9, 3e9], "max_flops": 2e9}, "max_flops: .* left out, or the largest .* 3e"),
        ({"budgets": [2e9, 3e9], "halving": {}}, "halving: found {}, allowed: left out: .* removed"),
    ],
)
def test_budgets_that_cannot_be_meant_are_refused(search: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"^mine.yml: search.{message}") as refused:
        parse_project({"space": "spaces.small", "search": search}, "mine.yml")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "search, limits",
    [
        ({"max_flops": 3e9}, (3e9,)),
        ({"budgets": ["2.0e9", 3_000_000_000]}, (2e9, 3e9)),  # YAML reads 2.0e9 as text
        ({"budgets": [2e9, 3e9], "max_flops": 3e9}, (2e9, 3e9)),
    ],
)
def test_the_hard_limit_is_the_largest_budget(search: dict[str, Any], limits: tuple[float, ...]) -> None:
    config = parse_project({"space": "spaces.small", "search": search}, "mine.yml")
    assert (config.search.limits, config.search.max_flops) == (limits, limits[-1])
    assert parse_project(json.loads(config.model_dump_json()), "again") == config


def test_names_of_budgets() -> None:
    names = [budget_name(limit) for limit in (2e9, 4.7e9, 2e7, 1.2345678e7, 1e12, 5e5)]
    assert names == ["2B", "4.7B", "20M", "12.345678M", "1000B", "500k"]


def evaluated(store: ResultsStore, candidates: list[Architecture]) -> list[Evaluation]:
    """Their results, stored; accuracies are coarse, so that some are equal."""
    for candidate in candidates:
        cost = COST(candidate)
        store.add(Evaluation(candidate, round(score(candidate), 2), 500, cost.flops, cost.params, 0.1))
    return store.all()


def test_each_winner_is_the_best_of_all_within_its_budget_and_on_the_common_front(tmp_path: Path) -> None:
    store = ResultsStore(tmp_path, "accuracy")
    results = evaluated(store, searched())
    front = front_rows(store.pareto(), BUDGETS)
    for limit in BUDGETS:
        best = max(result.accuracy for result in results if result.flops <= limit)
        (winner,) = [row.evaluation for row in front if limit in row.best_of]
        assert winner.accuracy == best and winner.flops <= limit
        assert [winner] == store.top(1, limit)
    for row in front:
        assert row.budget == min(limit for limit in BUDGETS if row.evaluation.flops <= limit)
    assert {row.budget for row in front_rows(store.pareto(), BUDGETS[-1:])} == {None}


def test_of_equal_results_the_same_one_wins_and_stands_on_the_front(tmp_path: Path) -> None:
    store = ResultsStore(tmp_path, "accuracy")
    for candidate in searched()[:6]:
        store.add(Evaluation(candidate, 0.5, 500, 1000, 10, 0.1))
    ((winner,), (standing,)) = store.top(1, 1000), store.pareto()
    assert winner == standing


def experiment(folder: Path, budgets: tuple[float, ...]) -> ResultsStore:
    """What a search under these budgets leaves of results and settings."""
    store = ResultsStore(folder / "trionet" / "evaluations", "accuracy")
    evaluated(store, searched()[:30])
    settings = ProjectConfig.model_validate(
        {"space": "spaces.small", "search": {"budgets": budgets, "metric": "accuracy"}}
    )
    (folder / "trionet" / "project.json").write_text(settings.model_dump_json())
    return store


def test_pareto_marks_each_budgets_winner(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    budgets = (*BUDGETS, 3e7)  # nothing lies between the last two: they have one winner
    store = experiment(tmp_path, budgets)
    assert main(["pareto", str(tmp_path), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["hash"] for row in rows] == [result.architecture.hash for result in store.pareto()]
    assert [limit for row in rows for limit in row["best_of"]] == list(budgets)
    assert rows[0]["budget"] == BUDGETS[0] and rows[-1]["best_of"][-2:] == [2e7, 3e7]
    assert main(["pareto", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "best of" in said and "20M, 30M" in said


def test_pareto_with_one_budget_is_as_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = experiment(tmp_path, BUDGETS[-1:])
    assert main(["pareto", str(tmp_path), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows == [result.to_dict() for result in store.pareto()]
    assert main(["pareto", str(tmp_path)]) == 0
    assert "best of" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "budgets, message",
    [("[1000, 2.0e+7]", "found 1000, allowed: 5.424e+06 to"), ("[2, 1]", "found [2, 1], allowed:")],
)
def test_a_search_with_an_impossible_budget_is_one_line_and_status_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    budgets: str,
    message: str,
) -> None:
    task = Task(small.TABLE, COST, 4000, DataConfig())
    monkeypatch.setattr("trionet_nni.experiment.check.prepare", lambda config, cache: task)
    monkeypatch.setattr(sys, "path", list(sys.path))
    text = (ROOT / "experiments" / "quickstart.yml").read_text()
    file = tmp_path / "mine.yml"
    file.write_text(text.replace("max_flops: 2.0e+7", f"budgets: {budgets}").replace(": ..", f": {ROOT}"))
    assert main(["search", str(file)]) == 2
    said = capsys.readouterr()
    assert said.out == "" and len(said.err.splitlines()) == 1
    assert f"search.budgets: {message}" in said.err


def test_the_papers_budgets_are_searched_in_one_experiment() -> None:
    file = ROOT / "experiments" / "imagenet.yml"
    search = load_experiment(file).search
    assert search.limits == (2e9, 3e9, 4e9, 4.7e9)
    assert search.population == 50 * len(search.limits)
    assert read_yaml(file)["maxTrialNumber"] == 1 + 1000 * len(search.limits)
    assert len(budgets_of(trionet.TABLE, CostModel(), search.limits)) == 4
