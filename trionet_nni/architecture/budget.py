"""What networks of a space cost block by block, and networks drawn inside a FLOPs budget by construction.

The cost of a block does not depend on the other blocks, because the channels between blocks are fixed. So
the reachable range is a sum of extremes, and a network can be drawn block by block while always leaving
room for the cheapest (and enough for the dearest) rest: nothing is ever rejected.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

from numpy.random import RandomState

from trionet_nni.architecture.architecture import Architecture, Block
from trionet_nni.architecture.ceiling import Ceiling, Position, Room
from trionet_nni.architecture.cost import CostModel
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.errors import InputError

_TRIES = 100


@dataclass(frozen=True)
class Budget:
    """A range of FLOPs within a space.

    Attributes:
        base: FLOPs that every network has (stem and classifier).
        blocks: FLOPs of every candidate at every position.
        ceilings: what else is limited.
    """

    table: SpaceTable
    min_flops: float
    max_flops: float
    base: int
    blocks: dict[Position, dict[Block, int]]
    ceilings: tuple[Ceiling, ...] = ()

    @classmethod
    def of(
        cls,
        table: SpaceTable,
        cost: CostModel,
        min_flops: float,
        max_flops: float,
        field: str = "max_flops",
    ) -> Budget:
        """Tabulate a space, and check that the range can be met.

        Args:
            field: what the limit is called in an experiment file's `search`.

        Raises:
            InputError: it cannot; the message has the reachable range.
        """
        blocks: dict[Position, dict[Block, int]] = {
            at: {block: cost.block(table.space, *at, block).flops for block in table.blocks}
            for at in table.positions()
        }
        budget = cls(table, min_flops, max_flops, cost.outside(table.space).flops, blocks)
        low, high = budget.reachable
        if min_flops > max_flops:
            raise InputError(
                f"search.min_flops: found {min_flops:.4g}, allowed: up to {field} {max_flops:.4g}"
            )
        for name, value, inside in (
            (field, max_flops, max_flops >= low),
            ("min_flops", min_flops, min_flops <= high),
        ):
            if not inside:
                raise InputError(
                    f"search.{name}: found {value:.4g}, allowed: {low:.4g} to {high:.4g} FLOPs, "
                    f"the reachable range of {table.space!r}"
                )
        return budget

    @cached_property
    def reachable(self) -> tuple[int, int]:
        """FLOPs of the cheapest and of the dearest network."""
        ranges = [self._range(depths) for depths in product(*self.table.depths)]
        return min(low for low, _ in ranges), max(high for _, high in ranges)

    def flops(self, architecture: Architecture) -> int:
        """FLOPs of a network of the space."""
        return self.base + sum(
            self.blocks[stage, index][block]
            for stage, blocks in enumerate(architecture.stages)
            for index, block in enumerate(blocks)
        )

    def allows(self, architecture: Architecture) -> bool:
        """Whether a network lies within the budget, and under everything else that is limited."""
        within = self.min_flops <= self.flops(architecture) <= self.max_flops
        return within and all(one.allows(architecture) for one in self.ceilings)

    def random(self, random: RandomState) -> Architecture:
        """A network inside the budget: depths, then operators, then options, each uniform over what fits.

        Raises:
            InputError: the budget is narrower than the steps between costs.
        """
        fitting = [depths for depths in product(*self.table.depths) if self.fits(depths)]
        for _ in range(_TRIES if fitting else 0):
            depths = fitting[random.randint(len(fitting))]
            architecture = self.complete(depths, {}, random)
            if self.allows(architecture):
                return architecture
        raise InputError(
            f"search: found no network between {self.min_flops:.4g} and {self.max_flops:.4g} FLOPs, "
            "allowed: a wider budget"
        )

    def complete(
        self, depths: tuple[int, ...], fixed: dict[Position, Block], random: RandomState
    ) -> Architecture:
        """A network of these depths that keeps as many of the `fixed` blocks as the budget allows.

        Blocks are settled in random order, so that no stage is favoured with the budget.
        """
        positions = list(_positions(depths))
        rest_low = {at: min(self.blocks[at].values()) for at in positions}
        rest_high = {at: max(self.blocks[at].values()) for at in positions}
        rooms = [Room(one, positions) for one in self.ceilings]
        chosen: dict[Position, Block] = {}
        spent = self.base
        for number in random.permutation(len(positions)):
            at = positions[number]
            del rest_low[at], rest_high[at]
            floor = self.min_flops - spent - sum(rest_high.values())
            ceiling = self.max_flops - spent - sum(rest_low.values())
            fitting = {
                block: flops
                for block, flops in self.blocks[at].items()
                if floor <= flops <= ceiling and all(room.fits(at, block) for room in rooms)
            }
            block = fixed.get(at)
            if block is None or block not in fitting:
                block = self._draw(at, fitting, ceiling, random)
            chosen[at] = block
            spent += self.blocks[at][block]
            for room in rooms:
                room.take(at, block)
        stages = (
            tuple(chosen[stage, index] for index in range(depth)) for stage, depth in enumerate(depths)
        )
        return Architecture(self.table.space, tuple(stages))

    def _draw(self, at: Position, fitting: Iterable[Block], ceiling: float, random: RandomState) -> Block:
        """The operator uniformly among those with a candidate that fits, then such a candidate."""
        by_operator: dict[str, list[Block]] = {}
        for block in fitting:
            by_operator.setdefault(block.operator, []).append(block)
        if not by_operator:  # a gap between costs: a narrow band, or another limit is near
            return min(self.blocks[at], key=lambda block: abs(self.blocks[at][block] - ceiling))
        operator = list(by_operator)[random.randint(len(by_operator))]
        return by_operator[operator][random.randint(len(by_operator[operator]))]

    def fits(self, depths: tuple[int, ...]) -> bool:
        """Whether networks of these depths reach into the budget."""
        low, high = self._range(depths)
        positions = list(_positions(depths))
        inside = low <= self.max_flops and high >= self.min_flops
        return inside and all(one.lowest(positions) <= one.limit for one in self.ceilings)

    def _range(self, depths: tuple[int, ...]) -> tuple[int, int]:
        costs = [self.blocks[at].values() for at in _positions(depths)]
        return self.base + sum(map(min, costs)), self.base + sum(map(max, costs))


def budgets_of(
    table: SpaceTable,
    cost: CostModel,
    limits: Iterable[float],
    *,
    min_flops: float = 0,
    band: float = 0,
    field: str = "budgets",
    ceilings: Sequence[Ceiling] = (),
) -> tuple[Budget, ...]:
    """One budget for each limit, refused before anything starts if no network can meet one.

    Args:
        cost: cost of a network at the experiment's image size and number of classes.
        limits: FLOPs, ascending.
        min_flops: the lower end of all of them.
        band: the lower end of each as a share of its limit, 0 to 1; the higher of both ends counts.
        field: what the limits are called in an experiment file's `search`.
        ceilings: what else is limited, for all of them.

    Raises:
        InputError: with the reachable range.
    """
    budgets = tuple(Budget.of(table, cost, min_flops, limit, field) for limit in limits)
    if band > 0:
        budgets = tuple(_in_band(budget, band, field) for budget in budgets)
    return tuple(_under(budget, tuple(ceilings)) for budget in budgets) if ceilings else budgets


def _under(budget: Budget, ceilings: tuple[Ceiling, ...]) -> Budget:
    """A budget with further limits.

    Raises:
        InputError: one of them leaves no network, or no network was found under all of them.
    """
    for one in ceilings:
        least = min(one.lowest(_positions(depths)) for depths in product(*budget.table.depths))
        if least > one.limit:
            raise InputError(f"{one.field}: found {one.limit:.4g}, allowed: {least:.4g} or more")
    limited = replace(budget, ceilings=ceilings)
    try:
        limited.random(RandomState(0))
    except InputError:
        names = " and ".join(f"{one.field} {one.limit:.4g}" for one in ceilings)
        flops = f"{budget.min_flops:.4g} to {budget.max_flops:.4g} FLOPs"
        raise InputError(
            f"{ceilings[0].field}: found no network of {flops} under {names}, allowed: a higher limit, "
            "fewer FLOPs, or a wider search.band"
        ) from None
    return limited


def _in_band(budget: Budget, band: float, field: str) -> Budget:
    """The upper part of a budget.

    Raises:
        InputError: no network was found in it.
    """
    limit = budget.max_flops
    narrow = replace(budget, min_flops=max(budget.min_flops, band * limit))
    try:
        narrow.random(RandomState(0))  # built by construction, so that a band in reach has one
    except InputError:
        low, high = budget.reachable
        raise InputError(
            f"search.band: found {band:g}, which leaves {narrow.min_flops:.4g} to {limit:.4g} FLOPs under "
            f"{field} and no network there, allowed: a band with networks of {budget.table.space!r} "
            f"({low:.4g} to {high:.4g} FLOPs), or 0 for none"
        ) from None
    return narrow


def budget_name(limit: float) -> str:
    """A budget as tables and folders call it, e.g. "4.7B" or "20M"; the paper writes FLOPs so."""
    for unit, size in (("B", 1e9), ("M", 1e6)):
        if limit >= size:
            return f"{limit / size:.12g}{unit}"
    return f"{limit / 1e3:.12g}k"


def _positions(depths: tuple[int, ...]) -> Iterator[Position]:
    for stage, depth in enumerate(depths):
        for index in range(depth):
            yield stage, index
