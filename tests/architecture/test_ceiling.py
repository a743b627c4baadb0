"""Further hard limits: what is drawn, mutated or alone keeps every one of them, and what cannot is told."""

from __future__ import annotations

import pytest
from numpy.random import RandomState

from spaces import small, trionet
from strategies.variation import Variation
from tests.helpers.architectures import random_architectures
from trionet_nni.architecture.alone import stand_alone
from trionet_nni.architecture.budget import Budget, budgets_of
from trionet_nni.architecture.ceiling import Ceiling, parameter_ceiling
from trionet_nni.architecture.cost import CostModel
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.errors import InputError

COST = CostModel(10, 3, 32)


def parameters(table: SpaceTable, limit: float, cost: CostModel = COST) -> Ceiling:
    return parameter_ceiling(table, cost, limit, "search.budget.params")


@pytest.mark.parametrize(("table", "cost"), [(small.TABLE, COST), (trionet.TABLE, CostModel())])
def test_what_adds_up_block_by_block_is_the_networks_own(table: SpaceTable, cost: CostModel) -> None:
    ceiling = parameters(table, 1e6, cost)
    for network in random_architectures(table, 10):
        assert ceiling.of(network) == cost(network).params


@pytest.mark.parametrize("band", [0.0, 0.8])
def test_all_that_is_made_keeps_all_limits(band: float) -> None:
    (free,) = budgets_of(small.TABLE, COST, [2e7], band=band)
    without = sorted(COST(free.random(RandomState(seed))).params for seed in range(60))
    limit = without[20]  # it bites: two of three networks have more
    (budget,) = budgets_of(small.TABLE, COST, [2e7], band=band, ceilings=[parameters(small.TABLE, limit)])
    random = RandomState(0)
    drawn = [budget.random(random) for _ in range(60)]
    assert max(COST(one).params for one in drawn) <= limit
    variation = Variation(budget, 0.2, random, near=band > 0)
    children = [variation.mutate(one) for one in drawn[:20]]
    children += [variation.crossover(*pair) for pair in zip(drawn[:20], drawn[20:40], strict=True)]
    for one in (*drawn, *children, *stand_alone(budget)):
        assert budget.allows(one) or one in stand_alone(budget)
        assert COST(one).params <= limit and COST(one).flops <= 2e7


def test_each_operator_alone_is_the_largest_under_all_limits() -> None:
    free = Budget.of(small.TABLE, COST, 0, 2e7)
    largest = {one.operators.split()[0]: one for one in stand_alone(free)}
    limit = max(COST(one).params for one in largest.values()) - 1
    (limited,) = budgets_of(small.TABLE, COST, [2e7], ceilings=[parameters(small.TABLE, limit)])
    for one in stand_alone(limited):
        known = largest[one.operators.split()[0]]
        assert one == known or COST(known).params > limit


def test_a_search_without_further_limits_draws_what_it_drew_before() -> None:
    plain = Budget.of(small.TABLE, COST, 1e7, 2e7)
    (limited,) = budgets_of(
        small.TABLE, COST, [2e7], min_flops=1e7, ceilings=[parameters(small.TABLE, 1e12)]
    )
    for seed in range(20):
        assert plain.random(RandomState(seed)) == limited.random(RandomState(seed))


def test_a_limit_that_nothing_meets_is_told_with_what_would_do() -> None:
    least = min(COST(one).params for one in random_architectures(small.TABLE, 200))
    with pytest.raises(InputError, match=r"search\.budget\.params: found 100, allowed: \d[\d.e+]* or more"):
        budgets_of(small.TABLE, COST, [2e7], ceilings=[parameters(small.TABLE, 100)])
    with pytest.raises(InputError, match=r"found no network of .* FLOPs under search\.budget\.params"):
        budgets_of(small.TABLE, COST, [3e7], band=0.95, ceilings=[parameters(small.TABLE, least)])
