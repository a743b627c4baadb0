"""Fixtures of the whole suite. Functions that several modules share are in `tests/helpers/`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from tests.helpers.panoptic_folder import NETWORK, RUN, write_folder
from tests.helpers.tiny import CACHE, digits
from tests.helpers.tiny_experiment import exported

# A busy machine is no fault: no test of properties has a time limit of its own.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: beside one that begins last, the other processes would have nothing left to do."""
    items.sort(key=lambda item: -_seconds(item))


def _seconds(item: pytest.Item) -> float:
    """About how long it takes: `slow(seconds=…)` says it of those that take minutes."""
    marker = item.get_closest_marker("slow")
    return 0 if marker is None else float(marker.kwargs.get("seconds", 30))


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    torch.manual_seed(0)
    torch.set_flush_denormal(False)  # commands that ran in this process before have set it


@pytest.fixture
def network_folder(tmp_path: Path) -> Path:
    """An exported network with its images, in a folder of the test's own."""
    digits()  # the cache is filled, whichever test runs first
    shutil.copytree(CACHE, tmp_path / ".cache", dirs_exist_ok=True)
    return Path(shutil.copytree(exported()[0].folder, tmp_path / "network"))


@pytest.fixture
def panoptic_run(tmp_path: Path) -> Path:
    """The file of a panoptic run of three iterations, beside its network and its data."""
    (tmp_path / "data").mkdir()
    write_folder(tmp_path / "data")
    (tmp_path / "network.json").write_text(json.dumps(NETWORK))
    path = tmp_path / "tiny.yml"
    path.write_text(RUN)
    return path
