"""Mutation and crossover of architectures within a budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TypeVar

from numpy.random import RandomState

from trionet_nni.architecture.architecture import Architecture, Block
from trionet_nni.architecture.budget import Budget
from trionet_nni.architecture.ceiling import Position

T = TypeVar("T")
Outline = tuple[tuple[int, ...], dict[Position, Block]]  # depths, and the blocks that are settled
_TRIES = 200
_NEAR_TRIES = 50


@dataclass(frozen=True)
class Variation:
    """How children are made.

    Attributes:
        budget: every child lies within it.
        rate: chance of each active gene to change in a mutation.
        random_state: the strategy's random state.
        near: draw children again until one lies in the budget by itself, before one is repaired. In a
            narrow band most are not, and a repair replaces what was inherited.
    """

    budget: Budget
    rate: float
    random_state: RandomState
    near: bool = False

    def random(self) -> Architecture:
        """A new network inside the budget."""
        return self.budget.random(self.random_state)

    def mutate(self, parent: Architecture) -> Architecture:
        """Redraw each active gene with the mutation rate; at least one gene changes its value.

        Active genes are the depths, and in every block that exists its operator and that operator's
        options. A changed operator comes with new options; a deeper stage with new blocks.
        """

        def change() -> Outline:
            depths = self._mutated_depths(parent)
            return depths, {at: self._mutated_block(block) for at, block in _blocks(parent)}

        near = self._near(change, parent)
        if near is not None:
            return near
        for _ in range(_TRIES):
            child = self._complete(*change())
            if child != parent:
                return child
        return self.random()  # the budget may hold this one network

    def crossover(self, first: Architecture, second: Architecture) -> Architecture:
        """Depths stage by stage and blocks one by one from either parent."""

        def cross() -> Outline:
            pairs = zip(first.depths, second.depths, strict=True)
            depths = tuple(mine if self._chance(0.5) else theirs for mine, theirs in pairs)
            fixed = dict(_blocks(first))
            for at, block in _blocks(second):
                if at not in fixed or self._chance(0.5):
                    fixed[at] = block
            return depths, fixed

        near = self._near(cross)
        return self._complete(*cross()) if near is None else near

    def _near(
        self, outline: Callable[[], Outline], parent: Architecture | None = None
    ) -> Architecture | None:
        """A child, not the parent, that lies in the budget without a repair; None: there was none."""
        for _ in range(_NEAR_TRIES if self.near else 0):
            child = self._anywhere.complete(*outline(), self.random_state)
            if child != parent and self.budget.allows(child):
                return child
        return None

    @cached_property
    def _anywhere(self) -> Budget:
        return replace(self.budget, min_flops=0.0, max_flops=math.inf)

    def _complete(self, depths: tuple[int, ...], fixed: dict[Position, Block]) -> Architecture:
        """The child; blocks it lacks, or that would break the budget, are drawn anew."""
        if not self.budget.fits(depths):
            return self.random()
        child = self.budget.complete(depths, fixed, self.random_state)
        return child if self.budget.allows(child) else self.random()

    def _mutated_depths(self, parent: Architecture) -> tuple[int, ...]:
        options = self.budget.table.depths
        return tuple(
            self._pick([other for other in choices if other != depth])
            if len(choices) > 1 and self._chance(self.rate)
            else depth
            for depth, choices in zip(parent.depths, options, strict=True)
        )

    def _mutated_block(self, block: Block) -> Block:
        table = self.budget.table
        others = [name for name in table.operator_names if name != block.operator]
        if others and self._chance(self.rate):
            return self._pick(table.choices(self._pick(others)).blocks)
        candidates = dict(table.choices(block.operator).options)
        for option in fields(block):
            current = getattr(block, option.name)
            values = [value for value in candidates[option.name] if value != current]
            if values and self._chance(self.rate):
                block = replace(block, **{option.name: self._pick(values)})  # type: ignore[arg-type]
        return block

    def _chance(self, probability: float) -> bool:
        return bool(self.random_state.uniform() < probability)

    def _pick(self, values: Sequence[T]) -> T:
        return values[self.random_state.randint(len(values))]


def _blocks(architecture: Architecture) -> Iterator[tuple[Position, Block]]:
    for stage, blocks in enumerate(architecture.stages):
        for index, block in enumerate(blocks):
            yield (stage, index), block
