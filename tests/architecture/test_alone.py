"""The stand-alone networks of a budget: a rule that a slow search over all of them confirms."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from spaces import small, tiny, trionet
from trionet_nni.architecture.alone import stand_alone
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.budget import Budget
from trionet_nni.architecture.cost import CostModel
from trionet_nni.architecture.table import SpaceTable

DIGITS = CostModel(classes=10, channels=1, image_size=28)
CASES = [
    pytest.param(tiny.TABLE, CostModel(10, 3, 32), 3e6, id="tiny"),
    pytest.param(small.TABLE, DIGITS, 2e7, id="small"),
    pytest.param(trionet.TABLE, CostModel(), 3e9, id="trionet"),
]


def everywhere_the_same(table: SpaceTable, operator: str) -> Iterator[Architecture]:
    for block, depths in product(table.choices(operator).blocks, product(*table.depths)):
        yield Architecture(table.space, tuple((block,) * depth for depth in depths))


def one_block_a_stage(table: SpaceTable, operator: str) -> Iterator[Architecture]:
    stages = [
        [(block,) * depth for depth in depths for block in table.choices(operator).blocks]
        for depths in table.depths
    ]
    for chosen in product(*stages):
        yield Architecture(table.space, chosen)


@pytest.mark.parametrize(("table", "cost", "limit"), CASES)
def test_each_operator_has_its_largest_network_of_one_block_in_the_band(
    table: SpaceTable, cost: CostModel, limit: float
) -> None:
    budget = Budget.of(table, cost, 0.9 * limit, limit)
    found = stand_alone(budget)
    assert [next(iter(network.blocks()))[1].operator for network in found] == list(table.operator_names)
    for operator, network in zip(table.operator_names, found, strict=True):
        assert len({block for _, block in network.blocks()}) == 1 and table.contains(network)
        rivals = [budget.flops(one) for one in everywhere_the_same(table, operator)]
        assert budget.flops(network) == max(flops for flops in rivals if flops <= limit) >= 0.9 * limit
        assert budget.flops(network) == cost(network).flops
    assert stand_alone(budget) == found


@pytest.mark.parametrize("limit", [7e6, 1.2e7, 4e7])
def test_where_no_block_fits_everywhere_each_stage_has_its_own(limit: float) -> None:
    """A band of a thousandth holds none of one block: the largest of one block a stage is taken."""
    budget = Budget.of(small.TABLE, DIGITS, 0.999 * limit, limit)
    for network in stand_alone(budget):
        operator = next(iter(network.blocks()))[1].operator
        assert {block.operator for _, block in network.blocks()} == {operator}
        same = [budget.flops(one) for one in everywhere_the_same(small.TABLE, operator)]
        if any(budget.min_flops <= flops <= limit for flops in same):
            assert budget.flops(network) == max(flops for flops in same if flops <= limit)
        elif operator == "conv":  # few enough to look at all
            every = [budget.flops(one) for one in one_block_a_stage(small.TABLE, operator)]
            assert budget.flops(network) == max(flops for flops in every if flops <= limit)
        assert max(flops for flops in same if flops <= limit) <= budget.flops(network) <= limit


def test_an_operator_that_does_not_fit_has_none() -> None:
    budget = Budget.of(small.TABLE, DIGITS, 0.9 * 7e6, 7e6)
    assert [network.operators for network in stand_alone(budget)] == ["conv | conv conv | conv conv"]


def test_of_networks_that_cost_the_same_the_first_of_the_table_wins() -> None:
    """Heads cost nothing; the table has few before many."""
    for network in stand_alone(Budget.of(trionet.TABLE, CostModel(), 0, 3e9))[1:]:
        heads = {block.heads for _, block in network.blocks()}  # type: ignore[attr-defined]
        assert heads == {4}
