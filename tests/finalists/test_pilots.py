"""Pilots: who they are, what they teach, and that they are finalists like any other."""

from __future__ import annotations

from itertools import pairwise

import pytest

from spaces.small import TABLE
from tests.helpers.architectures import random_architectures
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.errors import InputError
from trionet_nni.experiment.check import check_trials
from trionet_nni.finalists.field import Field
from trionet_nni.finalists.halving import Rung, choose, rungs, training_steps, trials
from trionet_nni.finalists.in_process import run_field
from trionet_nni.finalists.pilots import choose_pilots, follow, predicted
from trionet_nni.settings.project import FinalistsConfig, SearchConfig
from trionet_nni.supernet.results import Evaluation

NETWORKS = random_architectures(TABLE, 120)
ALONE = [
    Architecture(TABLE.space, tuple((choices.smallest,) * min(depths) for depths in TABLE.depths))
    for choices in TABLE.operators
]


def blocks(network: Architecture) -> int:
    return sum(network.depths)


def loss_of(network: Architecture) -> float:
    """From scratch: the more local attention the better, whatever the supernet thinks."""
    local = [block.operator == "local" for _, block in network.blocks()]
    return 2 - sum(local) / len(local) + int(network.hash[:4], 16) / 2**20


def ranked_by_depth(networks: list[Architecture]) -> list[Evaluation]:
    """As a supernet that knows nothing of operators."""
    ordered = sorted(networks, key=lambda one: (blocks(one), one.hash))
    return [Evaluation(one, 0.5, 10, 10**7, 10, 0.1, loss=float(blocks(one))) for one in ordered]


@pytest.mark.parametrize("count", [4, 5, 16, 200])
def test_pilots_are_of_all_ranks_and_each_operator_stands_alone(count: int) -> None:
    ranked = [*NETWORKS, *ALONE]
    pilots = choose_pilots(ranked, count)
    assert len(set(pilots)) == len(pilots) == min(count, len(ranked))
    assert list(pilots) == sorted(pilots, key=ranked.index)
    alone = []
    for operator in TABLE.operator_names:
        alone += [one for one in ranked if set(one.operators.split()) - {"|"} == {operator}][:1]
    assert set(alone) <= set(pilots) or count < len(alone)
    others = [ranked.index(one) for one in pilots if one not in alone]
    if len(others) > 1:
        between = [b - a for a, b in pairwise(others)]
        assert others[0] == 0 and max(between) - min(between) <= 1 + len(ALONE)


def test_where_all_stand_alone_pilots_are_of_all_ranks_too() -> None:
    conv = random_architectures(TABLE.only("conv"), 100)
    places = [conv.index(one) for one in choose_pilots(conv, 12)]
    assert places[0] == 0 and places[-1] == len(conv) - 1
    assert max(b - a for a, b in pairwise(places)) <= 11


def test_followers_fill_up_where_few_differ() -> None:
    conv = ranked_by_depth(random_architectures(TABLE.only("conv"), 100))
    layouts = {one.architecture.operators for one in conv}
    found = follow(conv, range(len(conv)), [conv[0].architecture], len(layouts) + 5)
    assert len(set(found)) == len(layouts) + 5 and conv[0].architecture not in found
    assert len({one.operators for one in found[: len(layouts)]}) == len(layouts)


def test_few_candidates_are_all_pilots() -> None:
    assert choose_pilots([], 4) == () and choose_pilots(NETWORKS[:1], 4) == (NETWORKS[0],)


def test_a_regression_over_pilots_sees_what_the_supernet_does_not() -> None:
    candidates = ranked_by_depth(NETWORKS)
    pilots = choose_pilots([one.architecture for one in candidates], 24)
    seen = [one for one in candidates if one.architecture in pilots]
    losses = [loss_of(one.architecture) for one in seen]
    guesses = predicted(seen, losses, candidates, TABLE, "loss").tolist()
    found = follow(candidates, guesses, pilots, 8)
    by_supernet = [one.architecture for one in candidates[:8]]
    assert sum(map(loss_of, found)) / 8 < sum(map(loss_of, by_supernet)) / 8 - 0.2
    assert not set(found) & set(pilots)
    assert len({one.operators for one in found}) == len(found) == 8


def test_the_winner_may_be_a_pilot_and_nobody_is_trained_twice_on_a_rung() -> None:
    config = FinalistsConfig(count=4, steps=10, repeats=3, pilots=12)
    candidates = ranked_by_depth(NETWORKS)
    field = Field(config, TABLE, "loss", lambda: [candidates])
    ladder = rungs(**dict(config))
    trained: list[tuple[str, int]] = []
    best = field.pilots()[0][-1]

    def train(network: Architecture, rung: Rung) -> float:
        trained.append((network.hash, rung.number))
        return 0.1 if network == best else loss_of(network)

    ended = run_field(field, ladder, train)
    assert ended[0][0] == best and ended[0][1].number == 3
    assert len(trained) == len(set(trained)) == trials(ladder) == 12 + 4 + 2 + 2
    assert training_steps(ladder) == 10 * len(trained)
    assert [name for name, _ in trained[:12]] == [one.hash for one in field.pilots()[0]]


def test_several_budgets_learn_from_each_other() -> None:
    candidates = ranked_by_depth(NETWORKS)
    field = Field(
        FinalistsConfig(count=3, steps=10, pilots=8), TABLE, "loss", lambda: [candidates[:40], candidates]
    )
    small, large = field.pilots()
    losses = {one.hash: loss_of(one) for one in large}
    both = losses | {one.hash: loss_of(one) for one in small}
    assert field.finalists([small, large], losses)[0] != field.finalists([small, large], both)[0]
    for group, found in zip((small, large), field.finalists([small, large], both), strict=True):
        assert found[:8] == group and len(found) == 11


def test_a_budget_without_candidates_has_no_finalists() -> None:
    candidates = ranked_by_depth(NETWORKS)
    field = Field(FinalistsConfig(count=3, steps=10, pilots=4), TABLE, "loss", lambda: [[], candidates])
    pilots = field.pilots()
    losses = {one.hash: loss_of(one) for one in pilots[1]}
    assert pilots[0] == [] and [len(one) for one in field.finalists(pilots, losses)] == [0, 7]


def test_where_no_pilot_has_a_loss_the_supernet_chooses() -> None:
    candidates = ranked_by_depth(NETWORKS)
    field = Field(FinalistsConfig(count=3, steps=10, pilots=4), TABLE, "loss", lambda: [candidates])
    (pilots,) = field.pilots()
    (found,) = field.finalists([pilots], {})
    assert tuple(found[4:]) == follow(candidates, range(len(candidates)), pilots, 3)


def test_without_pilots_it_is_as_it_was() -> None:
    candidates = ranked_by_depth(NETWORKS)
    field = Field(FinalistsConfig(count=3, steps=10), TABLE, "loss", lambda: [candidates])
    assert field.pilots() == []
    assert field.finalists([], {}) == [list(choose([one.architecture for one in candidates], 3))]
    assert rungs(6, 10, 3) == rungs(6, 10, 3, pilots=0)


@pytest.mark.parametrize("pilots", [1, 3])
def test_too_few_to_teach_anything_are_refused(pilots: int) -> None:
    with pytest.raises(ValueError, match="pilots 0, or 4 and more"):
        FinalistsConfig(count=3, steps=10, pilots=pilots)


def test_an_experiment_has_trials_for_pilots_and_candidates_beyond_them() -> None:
    search = SearchConfig(max_flops=1e7, finalists=FinalistsConfig(count=3, steps=10, repeats=2, pilots=8))
    fewest = 1 + (8 + 3 + 2) + (8 + 3)
    check_trials(search, fewest)
    with pytest.raises(InputError, match=f"allowed: {fewest} or more, with 13 trials"):
        check_trials(search, fewest - 1)
