"""A supernet strategy that takes no time, for tests of the bridge. Environment variables steer it.

TOY_CALLS: file that every call is noted in; TOY_SECONDS: duration of an evaluation;
TOY_SUPERNET=fails: the training fails; TOY_LATE: trials (their numbers) that crash during the evaluation.
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


def toy_accuracy(architecture: Architecture) -> float:
    """A different, reproducible accuracy for every architecture."""
    return int(architecture.hash[:6], 16) / 16**6


def toy_loss(architecture: Architecture) -> float:
    """Another, in another order: who is best by the one is not by the other."""
    return int(architecture.hash[6:12], 16) / 16**6


def toy_score(architecture: Architecture) -> float:
    """What a trial reports, and the search goes by."""
    return -toy_loss(architecture)


def note(*words: str) -> None:
    with Path(os.environ["TOY_CALLS"]).open("a") as calls:
        calls.write(" ".join((*words, os.environ["NNI_TRIAL_JOB_ID"])) + "\n")


def train_supernet(
    config: ProjectConfig, directory: Path, report: Callable[[dict[str, float]], None]
) -> None:
    note("train", config.supernet_hash())
    if os.environ.get("TOY_SUPERNET") == "fails":
        raise RuntimeError("the toy supernet was told to fail")
    for step in range(1, 4):
        report({"default": step / 4, "conv": step / 4, "step": step})
    (directory / WEIGHTS).touch()
    (directory / COMPLETE).write_text(json.dumps({"hash": config.supernet_hash()}))


def evaluate(
    config: ProjectConfig, supernet_directory: Path, architecture: Architecture, cache: Path
) -> Evaluation:
    note("start", architecture.hash)
    time.sleep(float(os.environ.get("TOY_SECONDS", "0")))
    number = os.environ["NNI_TRIAL_SEQ_ID"]
    if number in os.environ.get("TOY_LATE", "").split(","):
        print("the toy was told to crash", flush=True)
        os._exit(3)
    loss = toy_loss(architecture)
    if number in os.environ.get("TOY_NAN", "").split(","):
        loss = float("nan")
    note("done", architecture.hash)
    cost = architecture_cost(architecture, image_size=28, classes=10, channels=1)
    accuracy = toy_accuracy(architecture)
    return Evaluation(architecture, accuracy, 1, cost.flops, cost.params, 0.0, loss)
