"""A supernet strategy that takes no time, for tests of the bridge. What it does is told by files in $TOY."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from trionet_nni.architecture import Architecture
from trionet_nni.config import ProjectConfig
from trionet_nni.flops import architecture_cost
from trionet_nni.results import Evaluation


def toy_accuracy(architecture: Architecture) -> float:
    """A different, reproducible accuracy for every architecture."""
    return int(architecture.hash[:6], 16) / 16**6


def train_supernet(
    config: ProjectConfig, directory: Path, report: Callable[[dict[str, float]], None]
) -> None:
    """Report three points of a curve."""
    if os.environ.get("TOY_SUPERNET") == "fails":
        raise RuntimeError("the toy supernet was told to fail")
    for step in range(1, 4):
        time.sleep(0.1)
        report({"default": step / 4, "conv": step / 4, "step": step})
    (directory / "complete.json").write_text(json.dumps({"hash": config.supernet_hash()}))


def evaluate(
    config: ProjectConfig, supernet_directory: Path, architecture: Architecture, cache: Path
) -> Evaluation:
    """Note each call in $TOY_CALLS, then take as long as $TOY_SECONDS says, or fail as $TOY_FAILURES says."""
    with Path(os.environ["TOY_CALLS"]).open("a") as calls:
        calls.write(f"{architecture.hash} {os.environ['NNI_TRIAL_JOB_ID']}\n")
    time.sleep(float(os.environ.get("TOY_SECONDS", "0")))
    accuracy = toy_accuracy(architecture)
    if "nan" in os.environ.get("TOY_FAILURES", "") and accuracy > 0.5:
        accuracy = float("nan")
    cost = architecture_cost(architecture, image_size=28, classes=10, channels=1)
    return Evaluation(architecture, accuracy, 1, cost.flops, cost.params, 0.0)
