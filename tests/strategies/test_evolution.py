from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields

import pytest
from nni.nas.execution.event import FinalMetricEvent, TrainingEndEvent
from nni.nas.space import ModelStatus
from numpy.random import RandomState

from spaces import small, small_conv, trionet
from strategies.evolution import BudgetedEvolution, build
from strategies.variation import Variation
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.budget import Budget
from trionet_nni.architecture.cost import CostModel
from trionet_nni.errors import InputError
from trionet_nni.nnictl.search.candidate import CandidateSpace
from trionet_nni.nnictl.search.in_process import InProcessEngine
from trionet_nni.settings.project import SearchConfig

COST = CostModel(classes=10, channels=1, image_size=28)
LIMIT = 2e7
CONFIG = SearchConfig(max_flops=LIMIT, population=12, parents=4, seed=3, band=0)  # bands: test_band
WIDE = Budget.of(small.TABLE, COST, 0, 1e15)


def score(architecture: Architecture) -> float:
    """A toy accuracy with few ties."""
    return (int(architecture.hash, 16) % 9973) / 9973


def fails(architecture: Architecture) -> bool:
    return int(architecture.hash[:4], 16) % 3 == 0


class FailingEngine(InProcessEngine):
    """A third of the trials end without a metric."""

    def submit_models(self, *models: CandidateSpace) -> None:
        for model in models:
            self.models.append(model)
            failed = fails(model.architecture)
            if not failed:
                self.dispatch_model_event(FinalMetricEvent(model, score(model.architecture)))
            status = ModelStatus.Failed if failed else ModelStatus.Trained
            self.dispatch_model_event(TrainingEndEvent(model, status))


def started(config: SearchConfig, engine: InProcessEngine) -> BudgetedEvolution:
    strategy = build(config, small.TABLE, COST)
    strategy.initialize(CandidateSpace(small.TABLE), engine)
    return strategy


def genes(architecture: Architecture) -> dict[str, object]:
    return architecture.to_sample()


def blocks(architecture: Architecture) -> dict[str, object]:
    return dict(architecture.blocks())


def test_every_candidate_is_new_and_within_the_budget():
    engine = FailingEngine(score, 120)
    started(CONFIG, engine).run()
    assert len(engine.models) == 120
    assert len({model.architecture.hash for model in engine.models}) == 120
    for model in engine.models:
        assert COST(model.architecture).flops <= LIMIT
        assert small.TABLE.contains(model.architecture)
        assert model.sample == model.architecture.to_sample()  # active labels, no others


def test_a_failed_candidate_is_never_a_parent():
    engine = FailingEngine(score, 80)
    strategy = started(CONFIG, engine)
    strategy.run()
    assert sum(fails(model.architecture) for model in engine.models) > 10
    healthy = [m.architecture for m in engine.models if not fails(m.architecture)]
    best = sorted(healthy, key=score, reverse=True)[: CONFIG.parents]
    assert strategy.best_parents() == best
    assert strategy.state_dict()["running"] == []


def test_the_search_goes_on_when_every_trial_fails():
    engine = FailingEngine(score, 30)
    strategy = started(CONFIG, engine)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{__name__}.fails", lambda _: True)
        strategy.run()
    assert len(engine.models) == 30
    assert strategy.best_parents() == []


@pytest.mark.parametrize("stop", [5, 12, 13, 40])  # within, at the end of, after the first population
def test_a_saved_search_continues_the_same_sequence(stop):
    whole = FailingEngine(score, 60)
    started(CONFIG, whole).run()
    first = FailingEngine(score, stop)
    interrupted = started(CONFIG, first)
    interrupted.run()
    saved = json.loads(json.dumps(interrupted.state_dict()))

    rest = FailingEngine(score, 60 - stop)
    resumed = started(CONFIG.model_copy(update={"seed": 99}), rest)  # the saved state decides, not the seed
    resumed.load_state_dict(saved)
    assert json.loads(json.dumps(resumed.state_dict())) == saved
    resumed.run()
    sequence = [model.architecture for model in (*first.models, *rest.models)]
    assert sequence == [model.architecture for model in whole.models]


def test_a_running_candidate_survives_the_stop_once():
    """It is out of the saved `seen`, so that it can be taken back; then nobody proposes it again."""
    strategy = started(CONFIG, FailingEngine(score, 10))
    model = strategy.random()
    strategy._running_models.append(model)  # as NNI's loop does
    saved = json.loads(json.dumps(strategy.state_dict()))
    assert saved["running"] == [model.architecture.to_dict()]
    resumed = started(CONFIG, FailingEngine(score, 10))
    resumed.load_state_dict(saved)
    assert model.architecture.hash not in resumed.state_dict()["seen"]
    resumed.restore_running([model])
    assert resumed.state_dict()["seen"] == [model.architecture.hash]
    assert resumed.state_dict()["running"] == saved["running"]


def test_other_seeds_are_other_searches():
    def candidates(seed: int) -> list[Architecture]:
        engine = FailingEngine(score, 15)
        started(CONFIG.model_copy(update={"seed": seed}), engine).run()
        return [model.architecture for model in engine.models]

    assert candidates(1) == candidates(1)
    assert candidates(1) != candidates(2)


@pytest.mark.parametrize(("share", "kinds"), [(0.0, {"mutate"}), (1.0, {"crossover"}), (0.5, None)])
def test_half_of_the_children_are_crossed(share, kinds):
    made: list[str] = []
    engine = FailingEngine(score, 12)
    strategy = started(CONFIG.model_copy(update={"crossover": share}), engine)
    strategy.run()
    for kind in ("mutate", "crossover"):
        original = getattr(strategy._variation, kind)

        def noted(*parents, kind=kind, original=original):
            made.append(kind)
            assert set(parents) <= set(strategy.best_parents())
            return original(*parents)

        object.__setattr__(strategy._variation, kind, noted)
    for _ in range(200):
        strategy._child()
    assert len(made) == 200
    if kinds is None:
        assert 70 < made.count("crossover") < 130
    else:
        assert set(made) == kinds


@pytest.mark.parametrize("table", [small.TABLE, trionet.TABLE])
def test_a_mutation_changes_at_least_one_active_gene_and_keeps_most(table):
    cost = CostModel()
    budget = Budget.of(table, cost, 0, 1e15)
    random = RandomState(0)
    variation = Variation(budget, 0.1, random)
    kept = total = 0
    for _ in range(100):
        parent = budget.random(random)
        before, after = genes(parent), genes(variation.mutate(parent))
        assert before != after
        common = before.keys() & after.keys()
        assert common
        kept += sum(before[label] == after[label] for label in common)
        total += len(common)
    # Without a repair for the budget, a gene that both networks have changes with the rate, 0.1.
    assert 0.85 < kept / total < 0.95


def test_a_mutation_redraws_an_operator_with_its_options_and_leaves_other_blocks_alone():
    random = RandomState(4)
    variation = Variation(WIDE, 0.01, random)
    switched = single = 0
    for _ in range(300):
        parent = WIDE.random(random)
        child = variation.mutate(parent)
        mine, theirs = blocks(parent), blocks(child)
        changed = [label for label in mine.keys() & theirs.keys() if mine[label] != theirs[label]]
        if parent.depths != child.depths or len(changed) != 1:
            continue
        single += 1
        old, new = mine[changed[0]], theirs[changed[0]]
        if type(old) is type(new):
            differing = [o.name for o in fields(old) if getattr(old, o.name) != getattr(new, o.name)]
            assert len(differing) >= 1
        else:
            switched += 1
            assert new in small.TABLE.choices(new.operator).blocks
    assert single > 150
    assert switched > 20


def test_a_deeper_child_keeps_the_first_blocks_of_its_parent():
    random = RandomState(6)
    variation = Variation(WIDE, 0.02, random)
    deeper = 0
    for _ in range(300):
        parent = WIDE.random(random)
        child = variation.mutate(parent)
        if sum(child.depths) > sum(parent.depths):
            deeper += 1
            mine, theirs = blocks(parent), blocks(child)
            assert sum(theirs[label] != block for label, block in mine.items() if label in theirs) <= 2
    assert deeper > 20


@pytest.mark.parametrize("limit", [8e6, LIMIT, 1e15])
def test_crossover_takes_whole_blocks_from_its_parents_or_fits_the_budget(limit):
    budget = Budget.of(small.TABLE, COST, 0, limit)
    random = RandomState(8)
    variation = Variation(budget, 0.1, random)
    inherited = total = 0
    for _ in range(100):
        first, second = budget.random(random), budget.random(random)
        child = variation.crossover(first, second)
        assert COST(child).flops <= limit
        sources = [blocks(first), blocks(second)]
        assert (
            all(
                depth in pair
                for depth, pair in zip(
                    child.depths, zip(first.depths, second.depths, strict=True), strict=True
                )
            )
            or limit < 1e15
        )
        for label, block in child.blocks():
            inherited += any(source.get(label) == block for source in sources)
            total += 1
    assert inherited == total if limit == 1e15 else inherited > 0.7 * total


def test_both_parents_give_blocks():
    random = RandomState(9)
    variation = Variation(WIDE, 0.1, random)
    mixed = 0
    for _ in range(50):
        first, second = WIDE.random(random), WIDE.random(random)
        child = blocks(variation.crossover(first, second))
        only_first = any(blocks(first).get(k) == b != blocks(second).get(k) for k, b in child.items())
        only_second = any(blocks(second).get(k) == b != blocks(first).get(k) for k, b in child.items())
        mixed += only_first and only_second
    assert mixed > 30


def test_a_used_up_space_ends_with_one_line():
    """The budget of the cheapest networks alone: some candidates, then no further one."""
    budget = Budget.of(small_conv.TABLE, COST, 0, 1e15)
    config = SearchConfig(max_flops=budget.reachable[0], population=2, parents=1, band=0)
    strategy = build(config, small_conv.TABLE, COST)
    strategy.initialize(CandidateSpace(small_conv.TABLE), FailingEngine(score, 10))
    assert budget.flops(strategy.random().architecture) == budget.reachable[0]
    with pytest.raises(InputError, match="found 1 networks within the budget and no further one"):
        strategy.random()


def test_an_unreachable_budget_is_refused_before_anything_starts():
    with pytest.raises(InputError, match=r"search.max_flops: found 1, allowed: \S+ to \S+ FLOPs"):
        build(CONFIG.model_copy(update={"max_flops": 1.0}), small.TABLE, COST)


def finished(config: SearchConfig, rate: Callable[[Architecture], float]) -> InProcessEngine:
    """An engine whose search is over, with its strategy."""
    engine = InProcessEngine(rate, 80)
    engine.strategy = started(config, engine)
    engine.strategy.run()
    return engine


def test_the_search_improves():
    def many_convolutions(architecture: Architecture) -> float:
        return sum(1.0 + (block.operator == "conv") for _, block in architecture.blocks()) / 100

    scores = [model.metric for model in finished(CONFIG, many_convolutions).models]
    assert sum(scores[-20:]) > sum(scores[:20])


def test_parents_are_the_best_of_all():
    engine = finished(CONFIG, score)
    best = sorted((score(model.architecture) for model in engine.models), reverse=True)[: CONFIG.parents]
    assert [score(architecture) for architecture in engine.strategy.best_parents()] == best
