"""A finalist's trial: its parameters, and its training, on the device that NNI has given it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from trionet_nni.architecture.architecture import Architecture, Sample
from trionet_nni.data import load_splits
from trionet_nni.data.training_images import read_training_images
from trionet_nni.errors import InputError, shown
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.experiment.open import Run, open_run
from trionet_nni.files.locks import locked_key
from trionet_nni.finalists.halving import Rung, Training, rungs
from trionet_nni.finalists.results import FinalistResult, FinalistStore
from trionet_nni.nnictl.candidate.alive import is_away
from trionet_nni.nnictl.candidate.job import FINALIST, Reporter
from trionet_nni.nnictl.candidate.silence import ended_when_silent
from trionet_nni.settings.plugins import load_module, load_table
from trionet_nni.settings.project import ONE_SHOT, Metric, ProjectConfig
from trionet_nni.supernet.curve import Curve, Point
from trionet_nni.supernet.folder import CURVE
from trionet_nni.training.process import prepare_process

Report = Callable[[Point], None]
TrainFinalist = Callable[[Training, Path, Report], FinalistResult]

_OWN = ("stage", "rung", "steps")  # what a finalist's parameters have beside the network's
_WAITING = "a finalist that is to be trained on this rung"


def parameters_of(training: Training) -> Sample:
    """What NNI shows of a finalist's trial: stage, rung and steps first, then the network's choices."""
    rung = training.rung
    own = {"stage": FINALIST, "rung": rung.number, "steps": rung.steps}
    return {**own, **training.architecture.to_sample()}


def training_of(parameters: Sample, space: str, ladder: Sequence[Rung]) -> Training:
    """What a finalist's trial has to do.

    Raises:
        InputError: the parameters are of no finalist: a user can add a trial by hand.
    """
    choices = {label: value for label, value in parameters.items() if label not in _OWN}
    number = parameters.get("rung")
    found = [rung for rung in ladder if rung.number == number]
    if not found:
        raise InputError(f"parameters: rung: found {shown(number)}, allowed: 1 to {len(ladder)}")
    return Training(Architecture.from_sample(space, choices), found[0])


def finalist_metrics(result: FinalistResult, metric: Metric) -> dict[str, float]:
    """What a trial reports of a result; "default" is the score, as of a candidate."""
    return {
        "default": result.score(metric),
        "loss": result.loss,
        "accuracy": result.accuracy,
        "steps": result.training.rung.steps,
        "seconds": round(result.seconds, 3),
    }


def run_finalist(folder: ExperimentFolder, parameters: dict[str, Any], reporter: Reporter) -> None:
    """Train a finalist on a rung; the result is stored before it is reported.

    Raises:
        InputError: the parameters are of no finalist, or the recipe or the data cannot be used.
        RunFailed: the training diverged twice.
    """
    run = open_run(folder)
    finalists = run.config.search.finalists
    if finalists is None:
        raise InputError("parameters: stage: found 'finalist', allowed: with search.finalists")
    ladder = rungs(**dict(finalists))
    training = training_of(parameters, load_table(run.config.space).space, ladder)
    result = _result(run, ladder, training, reporter)
    to_store = result.to_dict() if is_away() else None
    reporter.final(finalist_metrics(result, run.config.search.metric), to_store)


def _result(run: Run, ladder: Sequence[Rung], training: Training, reporter: Reporter) -> FinalistResult:
    """The stored result, or a new one.

    A trial may go on when its manager was killed: the one that was started in its place waits for it.
    """
    store, network = FinalistStore(run.folder.finalists), training.architecture
    with locked_key(store.lock, network.hash):
        result = store.get(training)
        if result is not None:
            print(f"{network.hash} was trained before: that result is reported", flush=True)
            return result
        # Another machine knows only what it was asked for.
        if not is_away() and training not in store.missing(ladder):
            raise InputError(f"parameters: found {network.to_json()}, allowed: {_WAITING}")
        with ended_when_silent(run.config.search.time_limit, lambda: store.sign(training)):
            result = _train(run)(training, store.run(training), _reported(run, store, training, reporter))
        try:
            store.add(result)
        except ValueError as error:
            raise InputError(f"{network.hash}: {error}") from None
    return result


def _reported(run: Run, store: FinalistStore, training: Training, reporter: Reporter) -> Report:
    """Keeps the points of a training's curve and reports them; those of before first, each once."""
    curve = Curve(store.run(training) / CURVE)
    curve.path.parent.mkdir(parents=True, exist_ok=True)
    metric = run.config.search.metric
    known = {point.get("step") for point in curve.points()}

    def send(point: Point) -> None:
        score = -point["loss"] if metric == "loss" else point["accuracy"]
        reporter.intermediate({"default": score, **point})

    def report(point: Point) -> None:
        if point["step"] not in known:
            curve.add(point)
            send(point)

    for point in curve.points():
        send(point)
    return report


def _train(run: Run) -> TrainFinalist:
    """How this experiment trains a finalist.

    A supernet plug-in may bring a function `train_finalist(config, cache, training, directory, report)`;
    without it this project's `trionet_nni.finalists.train.train_finalist` is taken.
    """
    config, cache = run.config, run.folder.cache
    if config.supernet.strategy != ONE_SHOT:  # which has none, and imports NNI
        plugin = load_module(config.supernet.strategy, (), "supernet.strategy")
        if hasattr(plugin, "train_finalist"):
            return partial(plugin.train_finalist, config, cache)
    sent = run.folder.training_images
    return partial(train_here, config, cache, images=sent if sent.exists() else None)


def train_here(
    config: ProjectConfig,
    cache: Path,
    training: Training,
    directory: Path,
    report: Report,
    *,
    images: Path | None = None,
) -> FinalistResult:
    """Train by the experiment's own recipe on its training images; see `finalists.train.train_finalist`.

    Args:
        images: a file of `data.training_images`, which is read in place of the data set.
    """
    prepare_process()
    from trionet_nni.finalists.train import train_finalist  # Lightning: seconds

    splits = load_splits(config.data, cache) if images is None else read_training_images(images)
    return train_finalist(training, config.retrain, config.data, splits, directory, report)
