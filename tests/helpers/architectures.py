"""Networks drawn from the spaces."""

from __future__ import annotations

import numpy as np

from strategies.hierarchical_sampling import SAMPLING
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.table import SpaceTable


def random_architectures(table: SpaceTable, count: int, seed: int = 0) -> list[Architecture]:
    """Networks as Hierarchical Sampling draws them."""
    random = np.random.default_rng(seed)
    return [SAMPLING.configuration(table, SAMPLING.operators(table, random), random) for _ in range(count)]
