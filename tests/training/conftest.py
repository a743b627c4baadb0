"""Runs that several modules compare theirs with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.tiny import RECIPE, fresh, small_splits
from trionet_nni.network.trionet import TrioNet
from trionet_nni.training.fit import fit


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> TrioNet:
    net = fresh()
    result = fit(net, RECIPE, small_splits().train, tmp_path_factory.mktemp("whole"), progress=False)
    assert (result["steps"], result["of"], result["complete"]) == (10, 10, True)
    return net


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 10 steps with checkpoints after steps 3 and 5."""
    folder = tmp_path_factory.mktemp("begun")
    for stop in (3, 5):
        fit(fresh(), RECIPE, small_splits().train, folder, progress=False, stop_after_steps=stop)
    return folder
