from __future__ import annotations

import re
from collections import Counter
from unittest.mock import patch

import pytest
from numpy.random import RandomState

from spaces import small, small_conv, trionet, trionet_axial, trionet_conv, trionet_local
from trionet_nni.architecture import budget as budget_module
from trionet_nni.architecture.budget import Budget
from trionet_nni.architecture.cost import CostModel
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.errors import InputError

SMALL = CostModel(classes=10, channels=1, image_size=28)
WIDE = 1e15
TABLES = [
    pytest.param(trionet.TABLE, CostModel(), id="trionet"),
    pytest.param(trionet_conv.TABLE, CostModel(), id="conv"),
    pytest.param(trionet_local.TABLE, CostModel(), id="local"),
    pytest.param(trionet_axial.TABLE, CostModel(), id="axial"),
    pytest.param(small.TABLE, SMALL, id="small"),
]


def edges(table: SpaceTable, cost: CostModel) -> tuple[int, int]:
    return Budget.of(table, cost, 0, WIDE).reachable


@pytest.mark.parametrize("fraction", [0.002, 0.05, 0.5, 1.0])
@pytest.mark.parametrize(("table", "cost"), TABLES)
def test_the_first_try_is_inside_the_budget(table, cost, fraction):
    """By construction: with a single try allowed, a rejected network would be an error."""
    low, high = edges(table, cost)
    limit = low + fraction * (high - low)
    budget = Budget.of(table, cost, 0, limit)
    random = RandomState(1)
    with patch.object(budget_module, "_TRIES", 1):
        drawn = [budget.random(random) for _ in range(25)]
    for architecture in drawn:
        assert table.contains(architecture)
        assert low <= cost(architecture).flops <= limit


def test_a_lower_limit_holds_as_well():
    low, high = edges(trionet.TABLE, CostModel())
    band = low + 0.85 * (high - low), low + 0.9 * (high - low)  # where random samples almost never lie
    budget = Budget.of(trionet.TABLE, CostModel(), *band)
    random = RandomState(0)
    for _ in range(25):
        assert band[0] <= CostModel()(budget.random(random)).flops <= band[1]


def test_the_dearest_and_the_cheapest_network_bound_every_single_one():
    """The range is that of an exhaustive search in one small subspace."""
    table = small_conv.TABLE
    budget = Budget.of(table, SMALL, 0, WIDE)
    per_stage = []
    for stage, depths in enumerate(table.depths):
        costs = []
        for depth in depths:
            sums = [0]
            for index in range(depth):
                block_costs = budget.blocks[stage, index].values()
                sums = [total + cost for total in sums for cost in block_costs]
            costs += sums
        per_stage.append(costs)
    assert len(per_stage[0]) * len(per_stage[1]) * len(per_stage[2]) == table.architectures
    assert budget.reachable == tuple(
        budget.base + sum(pick(costs) for costs in per_stage) for pick in (min, max)
    )


@pytest.mark.parametrize(("table", "cost"), TABLES)
def test_a_budget_beyond_reach_is_refused_with_the_range(table, cost):
    low, high = edges(table, cost)
    for minimum, maximum, field in ((0, low - 1, "max_flops"), (high + 1, WIDE, "min_flops")):
        with pytest.raises(InputError) as caught:
            Budget.of(table, cost, minimum, maximum)
        message = str(caught.value)
        assert message.startswith(f"search.{field}: found ")
        found = re.search(r"allowed: (\S+) to (\S+) FLOPs", message)
        assert found is not None
        assert [float(edge) for edge in found.groups()] == pytest.approx([low, high], rel=1e-3)
        assert "\n" not in message
    for edge in (low, high):  # the edges themselves are inside
        Budget.of(table, cost, edge, edge)


def test_a_gap_between_costs_is_an_error_not_an_endless_search():
    low, _ = edges(small_conv.TABLE, SMALL)
    budget = Budget.of(small_conv.TABLE, SMALL, low + 1, low + 2)
    with pytest.raises(InputError, match="allowed: a wider budget"):
        budget.random(RandomState(0))


def test_what_fits_is_kept_and_only_that_is_redrawn():
    wide = Budget.of(small.TABLE, SMALL, 0, WIDE)
    random = RandomState(5)
    wanted = wide.random(random)
    fixed = {
        (stage, index): block
        for stage, blocks in enumerate(wanted.stages)
        for index, block in enumerate(blocks)
    }
    assert wide.complete(wanted.depths, fixed, random) == wanted
    tight = Budget.of(small.TABLE, SMALL, 0, wide.flops(wanted) - 1)
    assert tight.fits(wanted.depths)
    repaired = tight.complete(wanted.depths, fixed, random)
    assert tight.allows(repaired)
    assert repaired != wanted
    assert repaired.depths == wanted.depths


def test_every_operator_and_depth_has_a_chance():
    budget = Budget.of(small.TABLE, SMALL, 0, 2e7)
    random = RandomState(2)
    drawn = [budget.random(random) for _ in range(300)]
    operators = Counter(block.operator for a in drawn for _, block in a.blocks())
    assert set(operators) == {"conv", "local", "axial"}
    assert min(operators.values()) > 0.15 * sum(operators.values())
    assert len({a.depths for a in drawn}) == 8
