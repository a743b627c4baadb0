"""An architecture as a few numbers, from which a regression can tell what makes networks good."""

from __future__ import annotations

import math
import statistics

from trionet_nni.architecture.architecture import Architecture, Block
from trionet_nni.architecture.table import OperatorChoices, SpaceTable

_MIDDLE = 0.5  # of a row's values: what an option counts as that no block of a network has


def traits(network: Architecture, table: SpaceTable, flops: float) -> list[float]:
    """Depth and operators of each stage, log₂ FLOPs, and how large each option is on average.

    Args:
        table: of the network's space.
        flops: of one image.

    Returns:
        As many numbers for every network of the space. Options are placed in their row of Table 1: 0 is
        its smallest value, 1 its largest.
    """
    first, *others = table.operator_names
    shares = [
        statistics.fmean(block.operator == name for block in stage)
        for stage in network.stages
        for name in (first, *others[1:])  # what is left is the second's
    ]
    return [*map(float, network.depths), math.log2(flops), *shares, *_options(network, table)]


def _options(network: Architecture, table: SpaceTable) -> list[float]:
    """The mean place of each option; expansions of all operators are one option."""
    columns = {choices.operator: choices for choices in table.operators}
    names = dict.fromkeys(name for choices in table.operators for name, _ in choices.options)
    blocks = [block for _, block in network.blocks()]
    places = {name: [_place(block, name, columns[block.operator]) for block in blocks] for name in names}
    return [_mean([place for place in found if place is not None]) for found in places.values()]


def _place(block: Block, name: str, choices: OperatorChoices) -> float | None:
    """Between the least and the largest candidate; None where the operator has no such option."""
    candidates = dict(choices.options).get(name)
    if candidates is None:
        return None
    least, most = min(candidates), max(candidates)
    return _MIDDLE if least == most else float((getattr(block, name) - least) / (most - least))


def _mean(found: list[float]) -> float:
    return statistics.fmean(found) if found else _MIDDLE
