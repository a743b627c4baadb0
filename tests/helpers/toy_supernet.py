"""A supernet strategy that takes no time, for tests of the bridge. Environment variables steer it.

TOY_CALLS: file that every call is noted in; TOY_SECONDS: duration of an evaluation;
TOY_SUPERNET=fails: the training fails; TOY_LATE: trials (their numbers) that crash during the evaluation,
or when a finalist's are half way; TOY_STEP: duration of a finalist's step.
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


def _cards() -> str:
    """What this process may use; "all" where nothing is said."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "all") or "none"


def train_supernet(
    config: ProjectConfig, directory: Path, report: Callable[[dict[str, float]], None]
) -> None:
    note("train", config.supernet_hash())
    note("train-sees", _cards())
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
    note("evaluate-sees", _cards())
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


def toy_finalist_loss(training: Training) -> float:
    """A third order, and another one on each rung."""
    digits = training.architecture.hash[6 * training.rung.number :][:6]
    return int(digits, 16) / 16**6


def train_finalist(
    config: ProjectConfig,
    cache: Path,
    training: Training,
    directory: Path,
    report: Callable[[dict[str, float]], None],
) -> FinalistResult:
    """Steps that are noted, with a checkpoint after each."""
    checkpoint = directory / "step"
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    late = os.environ["NNI_TRIAL_SEQ_ID"] in os.environ.get("TOY_LATE", "").split(",")
    loss = toy_finalist_loss(training)
    for step in range(done + 1, training.rung.steps + 1):
        time.sleep(float(os.environ.get("TOY_STEP", "0")))
        note("step", "{}-rung{}:{}".format(*training.key, step))
        checkpoint.with_suffix(".new").write_text(str(step))
        checkpoint.with_suffix(".new").replace(checkpoint)
        report({"step": step, "loss": loss, "accuracy": 1 - loss})
        if late and step == training.rung.steps - 1:
            print("the toy was told to crash", flush=True)
            os._exit(3)
    return FinalistResult(training, loss, 1 - loss, 1, 0.0)
