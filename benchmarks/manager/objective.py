"""A supernet strategy that computes nothing: it takes a given time, and notes when.

Environment: `MANAGER_STAMPS`, a log that only grows; `MANAGER_SECONDS`, of an evaluation.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.cost import architecture_cost
from trionet_nni.settings.project import ProjectConfig
from trionet_nni.supernet.folder import COMPLETE, WEIGHTS
from trionet_nni.supernet.results import Evaluation

STAMPS, SECONDS = "MANAGER_STAMPS", "MANAGER_SECONDS"


def stamp(word: str, what: str = "-") -> None:
    """One line, written whole: the time, what happened, and to what."""
    handle = os.open(os.environ[STAMPS], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, f"{time.time():.6f} {word} {what}\n".encode())
    finally:
        os.close(handle)


def value(architecture: Architecture) -> float:
    """A different, reproducible loss for every architecture; an accuracy as well."""
    return int(architecture.hash[:8], 16) / 16**8


def train_supernet(
    config: ProjectConfig, directory: Path, report: Callable[[dict[str, float]], None]
) -> None:
    """A folder that says that it is complete."""
    report({"default": 1.0, "step": 1})
    (directory / WEIGHTS).touch()
    (directory / COMPLETE).write_text(json.dumps({"hash": config.supernet_hash()}))


def evaluate(
    config: ProjectConfig, supernet_directory: Path, architecture: Architecture, cache: Path
) -> Evaluation:
    """A made-up result, after the time that was asked for."""
    trial = os.environ["NNI_TRIAL_JOB_ID"]
    stamp("begin", trial)
    time.sleep(float(os.environ[SECONDS]))
    cost = architecture_cost(architecture, image_size=28, classes=10, channels=1)
    loss = value(architecture)
    result = Evaluation(architecture, loss, 1, cost.flops, cost.params, 0.0, loss)
    stamp("end", trial)
    return result
