"""Sampling α = (β, θ) for one training step (Eq. 4): β the operator of every block, θ all other options."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from trionet_nni.architecture.architecture import Architecture, Block
from trionet_nni.architecture.table import SpaceTable

Operators = dict[tuple[int, int], str]  # β: (stage, block) → operator


@dataclass(frozen=True)
class Sampling(ABC):
    """Draws β by the weights that a subclass gives the operators, and θ uniformly."""

    @abstractmethod
    def weights(self, table: SpaceTable) -> dict[str, float]:
        """Relative chance of each operator."""

    def operators(self, table: SpaceTable, random: np.random.Generator) -> Operators:
        """β for every block of the largest network."""
        weights = self.weights(table)
        chances = np.array([weights[name] for name in table.operator_names])
        names = table.operator_names
        return {at: names[random.choice(len(names), p=chances / chances.sum())] for at in table.positions()}

    def configuration(
        self, table: SpaceTable, beta: Operators, random: np.random.Generator
    ) -> Architecture:
        """A network with the operators β and uniformly drawn depths and options θ."""

        def block(stage: int, index: int) -> Block:
            candidates = table.choices(beta[stage, index]).blocks
            return candidates[random.integers(len(candidates))]

        depths = [int(random.choice(depths)) for depths in table.depths]
        return Architecture(
            table.space,
            tuple(
                tuple(block(stage, index) for index in range(depth)) for stage, depth in enumerate(depths)
            ),
        )
