"""An architecture as a few numbers, from which a regression can tell what makes networks good."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable

from benchmarks.worth.case import Case
from trionet_nni.architecture.architecture import Architecture

# What stands for an option that no block of the network has: the middle of its values.
_WITHOUT = {"qk": 0.75, "v": 0.75, "kernel": 5.0, "heads": 6.0}


def traits(network: Architecture, case: Case) -> list[float]:
    """Depth and operators of each stage, log₂ FLOPs, and the mean of each option.

    Convolutions have half as large expansions as attention, so theirs count twice. An option that no block
    has is at the middle of its values.
    """
    blocks = [block for stage in network.stages for block in stage]
    first, *_, last = case.table.operator_names
    shares = [
        statistics.fmean(block.operator == name for block in stage)
        for stage in network.stages
        for name in (first, last)
    ]
    expansions = [block.expansion * (2 if block.operator == "conv" else 1) for block in blocks]
    options = [
        _mean((getattr(block, name) for block in blocks if hasattr(block, name)), middle)
        for name, middle in _WITHOUT.items()
    ]
    flops = math.log2(case.cost(network).flops)
    return [*map(float, network.depths), flops, *shares, statistics.fmean(expansions), *options]


def _mean(values: Iterable[float], otherwise: float) -> float:
    found = list(values)
    return statistics.fmean(found) if found else otherwise
