"""What an experiment will read, write and cost; what cannot work is refused."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import RandomState

from trionet_nni.architecture.budget import Budget
from trionet_nni.architecture.cost import CostModel
from trionet_nni.data import load_splits, opened_once
from trionet_nni.errors import InputError
from trionet_nni.experiment.check import check_experiment, nni_value
from trionet_nni.experiment.open import Experiment, open_experiment
from trionet_nni.finalists.halving import rungs, steps_in_turn, training_steps
from trionet_nni.finalists.halving import trials as finalist_trials
from trionet_nni.nnictl.candidate.shares import at_once, threads_of_trial
from trionet_nni.plan.counts import Counts, counts_of
from trionet_nni.plan.gpus import Elsewhere
from trionet_nni.plan.measure import Timings, measure
from trionet_nni.settings.changes import Change
from trionet_nni.settings.plugins import load_module
from trionet_nni.settings.project import Metric, ProjectConfig
from trionet_nni.supernet.train import supernet_directory
from trionet_nni.training.recipe import check_recipe, total_steps

_SAMPLES = 2000  # networks that say how many a budget accepts
_EXPORTED = 5
STEPS = 3  # measured of each stage, at least
_EVALUATION_BYTES = 2000  # a stored result, NNI's record of its trial and its logs
_CHECKPOINTS = 3  # of a finalist: the newest and the one before it stay until a third is whole
_SPARE = 1.1


@dataclass(frozen=True)
class Plan:
    """An experiment's needs.

    Attributes:
        images: of each split.
        supernet_steps, retrain_steps: optimizer steps of each.
        candidates: that the search will score.
        metric: what ranks them.
        finalists, finalist_steps: trainings from scratch after it, and the optimizer steps of all of them.
        finalist_turns: optimizer steps of those that follow one another, where `workers` train.
        workers: trials that compute at the same time, each on a card or on its share of the cores.
        reachable: FLOPs of the cheapest and the dearest network.
        lowest: FLOPs that a candidate of a budget has at least (its band, or min_flops), by the budget's.
        accepted: share of networks drawn as the supernet draws them that lie within a budget, by its FLOPs.
        loaded_bytes: that an evaluator reads once: the supernet's weights, and images at their size here.
        files: what is written: folder or file, and bytes.
        free: bytes that the disk has left; None of another machine's.
        elsewhere: what was assumed of another machine, for which nothing was measured; None: this one.
    """

    data: str
    root: str | None
    images: dict[str, int]
    classes: int
    supernet_steps: int
    retrain_steps: int
    candidates: int
    metric: Metric
    finalists: int
    finalist_steps: int
    finalist_turns: int
    workers: int
    reachable: tuple[int, int]
    lowest: dict[str, float]
    accepted: dict[str, float]
    measured: Timings
    loaded_bytes: int
    files: dict[str, int]
    free: int | None
    elsewhere: Elsewhere | None = None

    @property
    def hours(self) -> dict[str, float]:
        """For each stage: of the device, or of one share of the cores."""
        return {
            "supernet": self.supernet_steps * self.measured.step / 3600,
            "search": self.candidates * self.measured.candidate / 3600,
            "finalists": self.finalist_steps * self.measured.finalist_step / 3600,
            "retraining one network": self.retrain_steps * self.measured.retrain_step / 3600,
        }

    @property
    def elapsed(self) -> dict[str, float]:
        """Hours by the clock of each stage until the export; workers share the search and the trainings."""
        return {
            "supernet": self.hours["supernet"],
            "search": self.hours["search"] / self.workers,
            "finalists": self.finalist_turns * self.measured.finalist_step / 3600,
        }

    @property
    def duration(self) -> float:
        """Hours from the start to the exported networks."""
        return sum(self.elapsed.values())

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, with the hours of each stage and in all."""
        return {
            **asdict(self),
            "hours": self.hours,
            "elapsed_hours": self.elapsed,
            "duration_hours": self.duration,
        }


def make_plan(path: Path, steps: int, changes: Sequence[Change] = ()) -> Plan:
    """Look at an experiment file and take a few of its steps.

    Args:
        steps: measured steps of each stage.
        changes: of its settings, from the command line.

    Raises:
        InputError: the experiment cannot work here; one line.
    """
    if steps < 1:
        raise InputError(f"--steps: found {steps}, allowed: 1 or more")
    return plan_of(open_experiment(path, changes), steps)


def plan_of(experiment: Experiment, steps: int = STEPS) -> Plan:
    """The plan of an experiment that was opened; see `make_plan`."""
    with opened_once():
        checked = check_experiment(experiment)
        config, working = checked.config, checked.working
        splits = load_splits(config.data, working / "cache")
    images = len(splits.search) + len(splits.recalibration)
    steps_of(config, counts_of(splits))  # refused before anything is measured
    network = checked.budgets[-1].random(RandomState(0))
    concurrency = int(experiment.settings.get("trialConcurrency", 1))
    threads = None if checked.cards else threads_of_trial(concurrency)
    measured = measure(config, network, working / "cache", steps, images, threads)
    stages = Stages(config, checked.budgets, checked.task.cost, counts_of(splits), measured)
    cards = checked.cards
    workers = workers_of(experiment.settings, cards) if cards else at_once(concurrency)
    plan = planned(experiment, stages, workers, shutil.disk_usage(_existing(working)).free)
    _check_disk(plan, working)
    return plan


@dataclass(frozen=True)
class Stages:
    """What a plan is made from: the work, and how long its parts take."""

    config: ProjectConfig
    budgets: tuple[Budget, ...]
    cost: CostModel
    counts: Counts
    timings: Timings


def workers_of(settings: dict[str, Any], cards: int) -> int:
    """Candidates that are scored at the same time on so many cards."""
    each = nni_value(settings, "trialGpuNumber")
    slots = cards // each if isinstance(each, int) and each > 1 else cards
    return max(1, min(int(settings.get("trialConcurrency", 1)), slots))


def planned(
    experiment: Experiment,
    stages: Stages,
    workers: int,
    free: int | None,
    elsewhere: Elsewhere | None = None,
) -> Plan:
    """Put a plan together; see `Plan` for the arguments.

    Raises:
        InputError: a stage cannot be run by its recipe.
    """
    config, budgets, counts = stages.config, stages.budgets, stages.counts
    supernet_steps, retrain_steps = steps_of(config, counts)
    trials = experiment.settings.get("maxTrialNumber")
    finalists, finalist_steps, finalist_turns = _finalists(config, workers)
    candidates = trials - 1 - finalists if isinstance(trials, int) else 0
    params = stages.cost(budgets[-1].random(RandomState(0))).params
    return Plan(
        config.data.name,
        config.data.root,
        counts.images,
        counts.classes,
        supernet_steps,
        retrain_steps,
        candidates,
        config.search.metric,
        finalists,
        finalist_steps,
        finalist_turns,
        workers,
        budgets[-1].reachable,
        {f"{budget.max_flops:.0f}": budget.min_flops for budget in budgets},
        {f"{budget.max_flops:.0f}": acceptance(config, budget) for budget in budgets},
        stages.timings,
        int(stages.timings.weights) + _image_bytes(counts),
        _files(config, experiment.working, stages.timings, counts, candidates, params),
        free,
        elsewhere,
    )


def acceptance(config: ProjectConfig, budget: Budget) -> float:
    """Share of plainly sampled networks that meet the budget, of 2,000 drawn with a fixed seed."""
    sampling = load_module(config.supernet.sampling, ("SAMPLING",), "supernet.sampling").SAMPLING
    random, table = np.random.default_rng(0), budget.table
    drawn = (
        sampling.configuration(table, sampling.operators(table, random), random) for _ in range(_SAMPLES)
    )
    return sum(budget.allows(network) for network in drawn) / _SAMPLES


def steps_of(config: ProjectConfig, counts: Counts) -> tuple[int, int]:
    """Of the supernet and of one retraining; a warm-up that is too long is refused."""
    steps = []
    for field, recipe, images in (
        ("supernet.recipe", config.supernet.recipe, counts.images["train"]),
        ("retrain", config.retrain, counts.images["full_train"]),
    ):
        check_recipe(recipe, images, field)
        steps.append(total_steps(recipe, images // recipe.batch_size))
    return steps[0], steps[1]


def _image_bytes(counts: Counts) -> int:
    """Of all images that an evaluation reads, one byte a number."""
    images = counts.images["search"] + counts.images["recalibration"]
    return images * counts.channels * counts.image_size**2


def _finalists(config: ProjectConfig, workers: int) -> tuple[int, int, int]:
    """Trainings, optimizer steps of all of them, and those that follow one another."""
    search = config.search
    if search.finalists is None:
        return 0, 0, 0
    ladder, budgets = rungs(**dict(search.finalists)), len(search.limits)
    turns = steps_in_turn(ladder, budgets, workers)
    return finalist_trials(ladder, budgets), training_steps(ladder, budgets), turns


def _files(
    config: ProjectConfig, working: Path, measured: Timings, counts: Counts, candidates: int, params: int
) -> dict[str, int]:
    pixels = counts.channels * counts.image_size**2
    runs, *_ = _finalists(config, 1)
    held = counts.images["full_train"] + counts.images["test"]
    return {
        # The newest checkpoint and the one before it stay until a third is whole.
        str(supernet_directory(working, config)): measured.weights + 3 * measured.checkpoint,
        # A checkpoint holds weights and momenta, four bytes a number.
        str(working / "<experiment id>"): candidates * _EVALUATION_BYTES + runs * _CHECKPOINTS * 8 * params,
        str(working / "cache"): held * pixels if counts.image_size <= 64 else 0,
        f"exported networks (the best {_EXPORTED})": _EXPORTED * 4 * params,
    }


def _check_disk(plan: Plan, working: Path) -> None:
    needed = int(_SPARE * sum(plan.files.values()))
    if plan.free is not None and plan.free < needed:
        raise InputError(
            f"{working}: found {plan.free / 1e9:.2f} GB free, allowed: {needed / 1e9:.2f} GB or more"
        )


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())
