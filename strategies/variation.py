"""Mutation and crossover of architectures within a budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

from numpy.random import RandomState

from trionet_nni.architecture.architecture import Architecture, Block
from trionet_nni.architecture.budget import Budget, Position

T = TypeVar("T")
_TRIES = 200


@dataclass(frozen=True)
class Variation:
    """How children are made.

    Attributes:
        budget: every child lies within it.
        rate: chance of each active gene to change in a mutation.
        random: the strategy's random state.
    """

    budget: Budget
    rate: float
    random_state: RandomState

    def random(self) -> Architecture:
        """A new network inside the budget."""
        return self.budget.random(self.random_state)

    def mutate(self, parent: Architecture) -> Architecture:
        """Redraw each active gene with the mutation rate; at least one gene changes its value.

        Active genes are the depths, and in every block that exists its operator and that operator's
        options. A changed operator comes with new options; a deeper stage with new blocks.
        """
        for _ in range(_TRIES):
            depths = self._mutated_depths(parent)
            fixed = {at: self._mutated_block(block) for at, block in _blocks(parent)}
            child = self._complete(depths, fixed)
            if child != parent:
                return child
        return self.random()  # the budget may hold this one network

    def crossover(self, first: Architecture, second: Architecture) -> Architecture:
        """Depths stage by stage and blocks one by one from either parent."""
        pairs = zip(first.depths, second.depths, strict=True)
        depths = tuple(mine if self._chance(0.5) else theirs for mine, theirs in pairs)
        fixed = dict(_blocks(first))
        for at, block in _blocks(second):
            if at not in fixed or self._chance(0.5):
                fixed[at] = block
        return self._complete(depths, fixed)

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
