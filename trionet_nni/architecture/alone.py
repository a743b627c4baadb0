"""Stand-alone networks under a budget: each operator alone, as a user would take it without a search.

The choice is a rule, not a draw: the same space, budget and band give the same networks.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import product

from trionet_nni.architecture.architecture import Architecture, Block
from trionet_nni.architecture.budget import Budget
from trionet_nni.architecture.table import OperatorChoices

Stage = tuple[int, Block]  # its depth, and the block that it consists of
Priced = tuple[int, tuple[Stage, ...]]  # FLOPs of some stages, and what they are
Costs = list[dict[Stage, int]]  # FLOPs of every stage there can be, by its number


def stand_alone(budget: Budget) -> list[Architecture]:
    """The largest network of each operator of the space alone, in the order of the table.

    Hand-designed networks have the same block everywhere (Tables 2 and 4), so of these the one with the
    most FLOPs in the budget is taken. Where none of them lies in it, each stage has a block of its own,
    which comes closer to the limit; that one may lie below the budget's lower end, if nothing larger fits.
    Of equal FLOPs the first wins, in the order of the depths and options in the table: few heads before
    many.

    Returns:
        Networks of at most `budget.max_flops`; an operator that does not fit at all has none.
    """
    chosen = []
    for choices in budget.table.operators:
        costs = [_stage_costs(budget, choices, stage) for stage in range(len(budget.table.depths))]
        within = [one for one in _same_block(costs, choices) if _allowed(budget, one)]
        largest_first = sorted(within, key=lambda one: -one[0])  # of equal ones the first stays the first
        networks = (_network(budget, one) for one in (*largest_first, _closest(budget, costs)) if one)
        best = next((one for one in networks if _kept(budget, one)), None)
        if best is not None:
            chosen.append(best)
    return chosen


def _network(budget: Budget, one: Priced) -> Architecture:
    return Architecture(budget.table.space, tuple((block,) * depth for depth, block in one[1]))


def _kept(budget: Budget, network: Architecture) -> bool:
    """Whether it keeps what else is limited."""
    return all(one.allows(network) for one in budget.ceilings)


def _stage_costs(budget: Budget, choices: OperatorChoices, stage: int) -> dict[Stage, int]:
    return {
        (depth, block): sum(budget.blocks[stage, index][block] for index in range(depth))
        for depth in budget.table.depths[stage]
        for block in choices.blocks
    }


def _allowed(budget: Budget, one: Priced) -> bool:
    return budget.min_flops <= budget.base + one[0] <= budget.max_flops


def _same_block(costs: Costs, choices: OperatorChoices) -> Iterator[Priced]:
    depths = [dict.fromkeys(depth for depth, _ in stage) for stage in costs]
    for chosen in product(*depths):
        for block in choices.blocks:
            stages = tuple((depth, block) for depth in chosen)
            yield sum(cost[stage] for cost, stage in zip(costs, stages, strict=True)), stages


def _closest(budget: Budget, costs: Costs) -> Priced | None:
    """One block a stage, as many FLOPs as fit; the network's two halves are matched by bisection."""
    middle = len(costs) // 2
    second = sorted(_sums(costs[middle:]), key=lambda one: one[0])
    prices, best = [price for price, _ in second], None
    for price, stages in _sums(costs[:middle]):
        place = bisect_right(prices, budget.max_flops - budget.base - price) - 1
        if place >= 0 and (best is None or price + prices[place] > best[0]):
            best = price + prices[place], (*stages, *second[place][1])
    return best


def _sums(costs: Sequence[dict[Stage, int]]) -> list[Priced]:
    """Every combination of stages; of those of a stage that cost the same the first alone."""
    options = []
    for stage in costs:
        firsts: dict[int, Stage] = {}
        for one, price in stage.items():
            firsts.setdefault(price, one)
        options.append(firsts)
    return [
        (sum(prices), tuple(stage[price] for stage, price in zip(options, prices, strict=True)))
        for prices in product(*options)
    ]
