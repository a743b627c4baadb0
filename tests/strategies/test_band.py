"""Candidates lie in a band under their budget, and each operator alone is in the first population."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from spaces import small, tiny, trionet
from strategies.evolution import BudgetedEvolution, build
from trionet_nni.architecture.alone import stand_alone
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.budget import Budget, budgets_of
from trionet_nni.architecture.cost import CostModel
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.errors import InputError
from trionet_nni.nnictl.search.candidate import CandidateSpace
from trionet_nni.nnictl.search.in_process import InProcessEngine
from trionet_nni.settings.project import SearchConfig, parse_project

COST = CostModel(classes=10, channels=1, image_size=28)
BUDGETS = (1.2e7, 2e7, 4e7)
SPACES = [
    pytest.param(tiny.TABLE, CostModel(10, 3, 32), (3e6, 7e6), id="tiny"),
    pytest.param(small.TABLE, COST, BUDGETS, id="small"),
    pytest.param(trionet.TABLE, CostModel(), (2e9, 4.7e9), id="trionet"),
]


def score(architecture: Architecture) -> float:
    """A toy score with few ties."""
    return (int(architecture.hash, 16) % 9973) / 9973


def config(**search: Any) -> SearchConfig:
    return SearchConfig.model_validate({"population": 24, "parents": 4, "seed": 3, **search})


def started(search: SearchConfig, engine: InProcessEngine, table: SpaceTable, cost: CostModel) -> Any:
    strategy = build(search, table, cost)
    assert isinstance(strategy, BudgetedEvolution)
    strategy.initialize(CandidateSpace(table), engine)
    return strategy


def run(
    search: SearchConfig, candidates: int, table: SpaceTable = small.TABLE, cost: CostModel = COST
) -> list[Architecture]:
    engine = InProcessEngine(score, candidates)
    started(search, engine, table, cost).run()
    return [model.architecture for model in engine.models]


@pytest.mark.parametrize(("table", "cost", "budgets"), SPACES)
@pytest.mark.parametrize("band", [0.9, 0.97])
def test_every_candidate_of_a_budget_lies_in_its_band(
    table: SpaceTable, cost: CostModel, budgets: tuple[float, ...], band: float
) -> None:
    """Random ones and children, by crossover and by mutation; each of them once."""
    found = run(config(budgets=budgets, band=band), 150, table, cost)
    assert len({network.hash for network in found}) == 150
    alone = {one for budget in banded(table, cost, budgets, band) for one in stand_alone(budget)}
    for number, network in enumerate(found):
        limit = budgets[number % len(budgets)]
        assert cost(network).flops <= limit and table.contains(network)
        assert cost(network).flops >= band * limit or network in alone


def banded(
    table: SpaceTable, cost: CostModel, budgets: tuple[float, ...], band: float
) -> tuple[Budget, ...]:
    return budgets_of(table, cost, budgets, band=band)


@pytest.mark.parametrize("search", [{"max_flops": 2e7}, {"budgets": BUDGETS}, {"budgets": [7e6, 2e7]}])
def test_each_operator_alone_is_in_the_first_population_of_every_budget(search: dict[str, Any]) -> None:
    settings = config(**search)
    first = run(settings, settings.population)
    turns = len(settings.limits)
    for number, budget in enumerate(banded(small.TABLE, COST, settings.limits, settings.band)):
        members = stand_alone(budget)
        assert members and first[number::turns][: len(members)] == members


def test_a_population_smaller_than_the_operators_still_meets_all_of_them() -> None:
    assert run(config(max_flops=2e7, population=2, parents=1), 3) == stand_alone(
        banded(small.TABLE, COST, (2e7,), 0.9)[0]
    )


def test_two_budgets_that_share_a_network_alone_propose_it_once() -> None:
    """The lower one's largest are the upper one's too: between them is nothing."""
    limits = (2e7, 2e7 + 1)
    members = [stand_alone(budget) for budget in banded(small.TABLE, COST, limits, 0.9)]
    assert members[0] == members[1]
    found = run(config(budgets=limits), 24)
    assert found[0::2][:3] == members[0] and len({one.hash for one in found}) == 24


@pytest.mark.parametrize("stop", [2, 5, 24, 40])  # among the stand-alone ones, in and after the population
def test_a_resumed_search_goes_on_identically(stop: int) -> None:
    settings, first = config(budgets=BUDGETS), InProcessEngine(score, stop)
    interrupted = started(settings, first, small.TABLE, COST)
    interrupted.run()
    saved = json.loads(json.dumps(interrupted.state_dict()))
    rest = InProcessEngine(score, 60 - stop)
    resumed = started(settings.model_copy(update={"seed": 99}), rest, small.TABLE, COST)
    resumed.load_state_dict(saved)
    assert json.loads(json.dumps(resumed.state_dict())) == saved
    resumed.run()
    assert [one.architecture for one in (*first.models, *rest.models)] == run(settings, 60)


def test_a_child_keeps_more_of_its_parent_than_a_repair_would_leave() -> None:
    strategy = started(config(max_flops=2e7), InProcessEngine(score, 40), small.TABLE, COST)
    strategy.run()
    variation = strategy._variation
    kept = total = 0
    for parent in strategy.best_parents() * 40:
        blocks = dict(parent.blocks())
        child = dict(variation.mutate(parent).blocks())
        kept += sum(blocks.get(label) == block for label, block in child.items())
        total += len(child)
    assert kept > 0.5 * total  # measured: 0.6; with repair alone 0.44


def test_the_higher_of_min_flops_and_band_counts() -> None:
    for floor, low in ((1.9e7, 1.9e7), (1e7, 1.8e7)):
        (budget,) = budgets_of(small.TABLE, COST, (2e7,), min_flops=floor, band=0.9)
        assert (budget.min_flops, budget.max_flops) == (low, 2e7)
        for network in run(config(max_flops=2e7, min_flops=floor), 40)[3:]:
            assert low <= COST(network).flops <= 2e7


@pytest.mark.parametrize(
    ("search", "message"),
    [
        (
            {"max_flops": 1e9},
            r"found 0.9, which leaves 9e\+08 to 1e\+09 FLOPs under max_flops and no network",
        ),
        ({"budgets": [2e7, 1e9]}, r"found 0.9, which leaves 9e\+08 to 1e\+09 FLOPs under budgets"),
        ({"max_flops": 5424128 + 1, "band": 1}, r"found 1, which leaves 5.424e\+06 to 5.424e\+06 FLOPs"),
    ],
)
def test_an_empty_band_is_one_line_with_what_is_allowed(search: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"^search.band: {message}") as said:
        build(config(**search), small.TABLE, COST)
    assert "\n" not in str(said.value) and "or 0 for none" in str(said.value)
    assert "5.424e+06 to 5.451e+07 FLOPs" in str(said.value)


@pytest.mark.parametrize("band", [-0.1, 1.1, "wide", None, True])
def test_no_share_is_refused(band: object) -> None:
    with pytest.raises(InputError, match=r"^a.yml: search.band: found "):
        parse_project({"space": "spaces.small", "search": {"max_flops": 1e7, "band": band}}, "a.yml")


def test_no_band_is_the_papers_search() -> None:
    """Any cost below the budget, and a first population drawn at random; see test_budgets for which."""
    found = run(config(max_flops=2e7, band=0), 24)
    assert min(COST(network).flops for network in found) < 0.8 * 2e7
    assert not set(stand_alone(banded(small.TABLE, COST, (2e7,), 0)[0])) & set(found)


@pytest.mark.parametrize(("table", "cost", "budgets"), SPACES)
def test_drawing_costs_little(table: SpaceTable, cost: CostModel, budgets: tuple[float, ...]) -> None:
    """Against the tenths of a second of an evaluation; measured: 0.5 to 8 ms a network."""
    strategy = started(config(budgets=budgets), InProcessEngine(score, 30), table, cost)
    strategy.run()
    began = time.process_time()
    for _ in range(50):
        strategy._variation.random()
        strategy._child()
    assert (time.process_time() - began) / 100 < 0.1
