"""A supernet strategy that takes a moment and keeps an append-only log of what was really computed.

Finalists are trained for real, by the library: their checkpoints are what a kill is gone on from.

Environment: CHAOS_LOG, the log; CHAOS_SECONDS, how long an evaluation takes on average.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.cost import architecture_cost
from trionet_nni.finalists.halving import Training
from trionet_nni.finalists.results import FinalistResult
from trionet_nni.settings.project import ProjectConfig
from trionet_nni.supernet.folder import COMPLETE, WEIGHTS
from trionet_nni.supernet.results import Evaluation

STEPS = 12


def value(architecture: Architecture) -> float:
    """A different, reproducible loss for every architecture; an accuracy as well."""
    return int(architecture.hash[:8], 16) / 16**8


def note(word: str, what: str) -> None:
    """One line, written whole: the time, what happened, and to what."""
    line = f"{time.monotonic():.6f} {word} {what} {os.getpid()}\n".encode()
    handle = os.open(os.environ["CHAOS_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


def train_supernet(
    config: ProjectConfig, directory: Path, report: Callable[[dict[str, float]], None]
) -> None:
    """Training with a checkpoint after every step, which a killed one goes on from."""
    checkpoint = directory / "step"
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    note("train", str(done))
    for step in range(done + 1, STEPS + 1):
        time.sleep(0.25)
        checkpoint.with_suffix(".new").write_text(str(step))
        checkpoint.with_suffix(".new").replace(checkpoint)
        report({"default": step / STEPS, "step": step})
    (directory / WEIGHTS).touch()
    (directory / COMPLETE).write_text(json.dumps({"hash": config.supernet_hash()}))


def evaluate(
    config: ProjectConfig, supernet_directory: Path, architecture: Architecture, cache: Path
) -> Evaluation:
    """One computation."""
    note("begin", architecture.hash)
    time.sleep(float(os.environ["CHAOS_SECONDS"]) * (0.5 + value(architecture)))
    cost = architecture_cost(architecture, image_size=28, classes=10, channels=1)
    result = Evaluation(
        architecture, value(architecture), 1, cost.flops, cost.params, 0.0, value(architecture)
    )
    note("end", architecture.hash)
    return result


def train_finalist(
    config: ProjectConfig,
    cache: Path,
    training: Training,
    directory: Path,
    report: Callable[[dict[str, float]], None],
) -> FinalistResult:
    """One training, with a checkpoint after every step."""
    from trionet_nni.finalists import train
    from trionet_nni.nnictl.candidate.finalist import train_here  # torch: seconds

    train.CHECKPOINT_MINUTES = 0.0
    name, rung = training.key
    note("begin", f"{name}-rung{rung}")
    result = train_here(config, cache, training, directory, report)
    note("end", f"{name}-rung{rung}")
    return result
