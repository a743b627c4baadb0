from __future__ import annotations

import json
from dataclasses import fields
from itertools import pairwise

import pytest
from nni.nas.space import ModelStatus
from numpy.random import RandomState

from benchmarks.in_process import InProcessEngine
from spaces import small, trionet
from strategies.evolution import build
from strategies.variation import Variation
from trionet_nni.architecture import Architecture
from trionet_nni.budget import Budget
from trionet_nni.config import SearchConfig
from trionet_nni.errors import InputError
from trionet_nni.flops import CostModel
from trionet_nni.nnictl.candidate import CandidateSpace

COST = CostModel(classes=10, channels=3, image_size=32)
CASES = [(trionet.TABLE, CostModel(), b) for b in (1e9, 2e9, 4.7e9)]
CASES += [(small.TABLE, COST, b) for b in (9e6, 2e7, 6e7)]


def score(architecture: Architecture) -> float:
    """A toy accuracy: convolutions are good, and so are many blocks."""
    return sum(1.0 + (block.operator == "conv") for _, block in architecture.blocks()) / 100


def engine_after(config: SearchConfig, candidates: int) -> InProcessEngine:
    engine = InProcessEngine(score, candidates)
    strategy = build(config, small.TABLE, COST)
    strategy(CandidateSpace(small.TABLE), engine)
    engine.strategy = strategy
    return engine


@pytest.mark.parametrize(("table", "cost", "limit"), CASES)
def test_every_network_is_drawn_varied_and_crossed_inside_the_budget(table, cost, limit):
    budget = Budget.of(table, cost, 0, limit)
    random = RandomState(0)
    variation = Variation(budget, 0.1, random)
    drawn = [budget.random(random) for _ in range(60)]
    children = [variation.mutate(parent) for parent in drawn]
    children += [variation.crossover(first, second) for first, second in pairwise(drawn)]
    for architecture in drawn + children:
        assert cost(architecture).flops == budget.flops(architecture) <= limit
        assert table.contains(architecture)
    assert all(child != parent for child, parent in zip(children, drawn, strict=False))


def test_the_reachable_range_is_reached():
    budget = Budget.of(small.TABLE, COST, 0, 1e12)
    low, high = budget.reachable
    for edge in (low, high):
        exact = Budget.of(small.TABLE, COST, edge, edge)
        assert exact.flops(exact.random(RandomState(1))) == edge


@pytest.mark.parametrize(("low", "high"), [(0, 1e6), (1e9, 1e10), (3e7, 2e7)])
def test_an_unreachable_budget_is_refused_with_the_range(low, high):
    with pytest.raises(InputError, match=r"search\.m(ax|in)_flops: found .*, allowed: ") as caught:
        Budget.of(small.TABLE, COST, low, high)
    assert "\n" not in str(caught.value)


def test_small_mutations_keep_the_other_genes():
    budget = Budget.of(small.TABLE, COST, 0, 1e12)
    random = RandomState(0)
    variation = Variation(budget, 0.02, random)
    changed = []
    for _ in range(200):
        parent = budget.random(random)
        child = variation.mutate(parent)
        mine, theirs = (dict(a.blocks()) for a in (parent, child))
        genes = sum(a != b for a, b in zip(parent.depths, child.depths, strict=True))
        for label in mine.keys() & theirs.keys():
            if type(mine[label]) is not type(theirs[label]):
                genes += 1
            else:
                genes += sum(
                    getattr(mine[label], o.name) != getattr(theirs[label], o.name)
                    for o in fields(mine[label])
                )
        changed.append(genes)
    assert min(changed) == 1
    assert sum(changed) / len(changed) < 2


def test_crossover_takes_blocks_from_its_parents():
    budget = Budget.of(small.TABLE, COST, 0, 1e12)
    random = RandomState(3)
    variation = Variation(budget, 0.1, random)
    for _ in range(50):
        parents = [budget.random(random), budget.random(random)]
        child = variation.crossover(*parents)
        sources = [dict(parent.blocks()) for parent in parents]
        assert all(any(s.get(label) == block for s in sources) for label, block in child.blocks())


def test_no_network_is_proposed_twice_and_the_search_improves():
    engine = engine_after(SearchConfig(max_flops=2e7, population=20, parents=5), 80)
    hashes = [model.architecture.hash for model in engine.models]
    assert len(set(hashes)) == 80
    scores = [model.metric for model in engine.models]
    assert sum(scores[-20:]) > sum(scores[:20])


def test_parents_are_the_best_of_all():
    engine = engine_after(SearchConfig(max_flops=2e7, population=20, parents=5), 60)
    best = sorted((score(m.architecture) for m in engine.models), reverse=True)[:5]
    assert [score(a) for a in engine.strategy.best_parents()] == best


def test_a_saved_search_goes_on_with_the_same_candidates():
    config = SearchConfig(max_flops=2e7, population=10, parents=4, seed=5)
    whole = [m.architecture for m in engine_after(config, 40).models]
    state = json.loads(json.dumps(engine_after(config, 25).strategy.state_dict()))
    resumed = build(config, small.TABLE, COST)
    engine = InProcessEngine(score, 15)
    resumed.initialize(CandidateSpace(small.TABLE), engine)
    resumed.load_state_dict(state)
    resumed.run()
    assert [m.architecture for m in engine.models] == whole[25:]


def test_models_that_were_running_are_not_proposed_again():
    config = SearchConfig(max_flops=2e7, population=10, parents=4)
    strategy = build(config, small.TABLE, COST)
    strategy.initialize(CandidateSpace(small.TABLE), InProcessEngine(score, 10))
    model = strategy.random()
    strategy.restore_running([model])
    assert model.status is ModelStatus.Frozen
    assert strategy.state_dict()["running"] == [model.architecture.to_dict()]
    others = {strategy.random().architecture.hash for _ in range(50)}
    assert model.architecture.hash not in others
