"""A second limit beside FLOPs, of something that adds up block by block: parameters, or a latency."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from trionet_nni.architecture.architecture import Architecture, Block
from trionet_nni.architecture.cost import CostModel
from trionet_nni.architecture.table import SpaceTable

Position = tuple[int, int]  # (stage, block)


@dataclass(frozen=True)
class Ceiling:
    """A hard limit of every network.

    Attributes:
        field: what the limit is called in an experiment file.
        limit: what a network may have of it.
        base: what every network has (stem and classifier).
        blocks: what every candidate at every position has.
    """

    field: str
    limit: float
    base: float
    blocks: Mapping[Position, Mapping[Block, float]]

    def of(self, architecture: Architecture) -> float:
        """What a network has."""
        return self.base + sum(
            self.blocks[stage, index][block]
            for stage, blocks in enumerate(architecture.stages)
            for index, block in enumerate(blocks)
        )

    def allows(self, architecture: Architecture) -> bool:
        """Whether a network keeps the limit."""
        return self.of(architecture) <= self.limit

    @cached_property
    def least(self) -> dict[Position, float]:
        """What the smallest candidate at every position has."""
        return {at: min(candidates.values()) for at, candidates in self.blocks.items()}

    def lowest(self, positions: Iterable[Position]) -> float:
        """What the smallest network with blocks at these positions has."""
        return self.base + sum(self.least[at] for at in positions)


@dataclass
class Room:
    """What is left of a ceiling while a network is put together block by block."""

    ceiling: Ceiling
    positions: Iterable[Position]
    spent: float = field(init=False)
    rest: dict[Position, float] = field(init=False)

    def __post_init__(self) -> None:
        self.spent = self.ceiling.base
        self.rest = {at: self.ceiling.least[at] for at in self.positions}

    def fits(self, at: Position, block: Block) -> bool:
        """Whether a block can be taken, with the smallest candidates everywhere else that is open."""
        others = sum(self.rest.values()) - self.rest[at]
        return self.spent + self.ceiling.blocks[at][block] + others <= self.ceiling.limit

    def take(self, at: Position, block: Block) -> None:
        """Settle a position."""
        del self.rest[at]
        self.spent += self.ceiling.blocks[at][block]


def parameter_ceiling(table: SpaceTable, cost: CostModel, limit: float, field: str) -> Ceiling:
    """The limit of a network's parameters, which are counted exactly."""
    return Ceiling(
        field,
        limit,
        cost.outside(table.space).params,
        {
            at: {block: cost.block(table.space, *at, block).params for block in table.blocks}
            for at in table.positions()
        },
    )
