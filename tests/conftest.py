"""Shared pieces of the suite: networks drawn from the spaces."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from strategies.hierarchical_sampling import SAMPLING
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.table import SpaceTable


def random_architectures(table: SpaceTable, count: int, seed: int = 0) -> list[Architecture]:
    """Networks as Hierarchical Sampling draws them."""
    random = np.random.default_rng(seed)
    return [SAMPLING.configuration(table, SAMPLING.operators(table, random), random) for _ in range(count)]


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    torch.manual_seed(0)
    torch.set_flush_denormal(False)  # commands that ran in this process before have set it
