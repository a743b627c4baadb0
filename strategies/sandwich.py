"""The sandwich rule inside Hierarchical Sampling (section 3.4, after Yu and Huang 2019).

Per step one β; under it the smallest θ, the largest θ and n random θ. Smallest and largest also take the
smallest and largest depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.cost import architecture_cost
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.supernet.sampling import Operators, Sampling


@dataclass(frozen=True)
class Step:
    """The sub-networks of one training step; weight decay acts on the one at `decayed`."""

    subnetworks: tuple[Architecture, ...]
    decayed: int


def smallest(table: SpaceTable, beta: Operators) -> Architecture:
    """The smallest θ under β."""
    return Architecture(
        table.space,
        tuple(
            tuple(table.choices(beta[stage, index]).smallest for index in range(min(depths)))
            for stage, depths in enumerate(table.depths)
        ),
    )


def largest(table: SpaceTable, beta: Operators) -> Architecture:
    """The largest θ under β."""
    return Architecture(
        table.space,
        tuple(
            tuple(table.choices(beta[stage, index]).largest for index in range(max(depths)))
            for stage, depths in enumerate(table.depths)
        ),
    )


def largest_of(table: SpaceTable, operator: str) -> Architecture:
    """The largest network of one operator alone (the curves of Fig. 5)."""
    return largest(table, dict.fromkeys(table.positions(), operator))


def draw(
    table: SpaceTable, sampling: Sampling, sandwich: bool, count: int, random: np.random.Generator
) -> Step:
    """Sub-networks of one step.

    Args:
        sandwich: the rule, or its ablation: as many random θ instead, so that both cost the same number
            of passes; decay then acts on the one with the most parameters.
        count: random θ of the sandwich rule.
    """
    beta = sampling.operators(table, random)
    drawn = [sampling.configuration(table, beta, random) for _ in range(count if sandwich else count + 2)]
    if sandwich:
        return Step((smallest(table, beta), largest(table, beta), *drawn), 1)
    sizes = [architecture_cost(architecture).params for architecture in drawn]
    return Step(tuple(drawn), int(np.argmax(sizes)))
