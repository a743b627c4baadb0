"""What is checked before an experiment starts, so that a mistake costs seconds, not a trained supernet."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trionet_nni.architecture.budget import Budget
from trionet_nni.architecture.cost import CostModel
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.errors import InputError, shown
from trionet_nni.experiment.nni_file import check_nni
from trionet_nni.experiment.open import Experiment
from trionet_nni.finalists.halving import rungs
from trionet_nni.finalists.halving import trials as finalist_trials
from trionet_nni.settings.budgets import search_budgets
from trionet_nni.settings.changes import naming
from trionet_nni.settings.loggers import check_logger
from trionet_nni.settings.plugins import load_table
from trionet_nni.settings.project import DataConfig, ProjectConfig, RecipeConfig, SearchConfig
from trionet_nni.training.share import check_devices

DATA_VARIABLE = "TRIONET_DATA"


@dataclass(frozen=True)
class Task:
    """What is searched, and what a network costs there.

    Attributes:
        cost: parameters and multiply-accumulates at the experiment's image size and number of classes.
        images: how many there are to train the supernet on.
        data: the images' division in numbers, see `trionet_nni.data.splits.settled`.
    """

    table: SpaceTable
    cost: CostModel
    images: int
    data: DataConfig


@dataclass(frozen=True)
class Checked:
    """An experiment in which nothing was found wrong.

    Attributes:
        config: with absolute paths, and its images' division in numbers.
        working: experimentWorkingDirectory.
        cards: GPUs that its trials can use on this machine; 0 where they ask for none.
    """

    config: ProjectConfig
    working: Path
    task: Task
    budgets: tuple[Budget, ...]
    cards: int


def check_experiment(experiment: Experiment) -> Checked:
    """Look at everything in an experiment file that can be wrong before anything starts.

    Raises:
        InputError: the first thing that is wrong.
    """
    with naming(experiment.path, experiment.changes):
        return _checked(experiment)


def _checked(experiment: Experiment) -> Checked:
    path, working = experiment.path, experiment.working
    check_nni(path, experiment.settings)
    _check_working(path, working)
    with in_file(path):
        config = experiment.config
        check_trials(config.search, nni_value(experiment.settings, "maxTrialNumber"))
        for name, recipe in recipes(config):
            check_logger(recipe.logger, f"{name}.logger")
        cards = check_cards(experiment.settings)
        _check_active(experiment.settings, config.search.warm)
        if cards and is_local(experiment.settings):
            check_devices("supernet.devices", config.supernet.devices, cards)
        task = prepare(config, working / "cache")
        budgets = search_budgets(config.search, task.table, task.cost)
    return Checked(config.model_copy(update={"data": task.data}), working, task, budgets, cards)


def recipes(config: ProjectConfig) -> tuple[tuple[str, RecipeConfig], ...]:
    """Every recipe of an experiment, with its name in the file."""
    mine = ("supernet.recipe", config.supernet.recipe), ("retrain", config.retrain)
    return *mine, ("finetune", config.finetune)


@contextmanager
def in_file(path: Path) -> Iterator[None]:
    """Begin what is refused inside with the experiment file's name.

    Raises:
        InputError: with it.
    """
    try:
        yield
    except InputError as error:
        message = str(error)
        raise InputError(message if message.startswith(str(path)) else f"{path}: {message}") from None


def _check_working(path: Path, working: Path) -> None:
    if any(place.exists() and not place.is_dir() for place in (working, *working.parents)):
        field = f"{path}: experimentWorkingDirectory"
        raise InputError(f"{field}: found {working}, allowed: a folder, or none yet")


def prepare(config: ProjectConfig, cache: Path) -> Task:
    """Look at space, plug-ins, data and recipe; decoded images are left in the cache for later.

    Args:
        config: with absolute paths.
        cache: folder of decoded images.

    Raises:
        InputError: one of them cannot be used.
    """
    table = load_table(config.space)
    check_plugins(config)

    from trionet_nni.data import load_splits, settled  # torch: seconds

    splits = load_splits(config.data, cache)

    from trionet_nni.training.recipe import check_recipe

    check_recipe(config.supernet.recipe, len(splits.train), "supernet.recipe")
    _check_finalists(config, len(splits.train))
    cost = CostModel(splits.classes, splits.channels, splits.image_size)
    return Task(table, cost, len(splits.train), settled(config.data, splits))


def check_plugins(config: ProjectConfig) -> None:
    """Whether every plug-in exists.

    Raises:
        InputError: one does not.
    """
    for field, module in (
        ("supernet.strategy", config.supernet.strategy),
        ("supernet.sharing", config.supernet.sharing),
        ("supernet.sampling", config.supernet.sampling),
        ("search.strategy", config.search.strategy),
    ):
        _check_module(field, module)


def check_trials(search: SearchConfig, trials: Any) -> None:
    """Refuse a limit of trials that leaves too few for finalists, or none at all: they would never come.

    Args:
        trials: the experiment file's `maxTrialNumber`.

    Raises:
        InputError: with the fewest that fit.
    """
    if search.finalists is None:
        return
    budgets, ladder = len(search.limits), rungs(**dict(search.finalists))
    count = finalist_trials(ladder, budgets)
    fewest = 1 + count + budgets * ladder[0].networks
    if not isinstance(trials, int) or trials < fewest:
        found = "none" if trials is None else shown(trials)
        raise InputError(
            f"maxTrialNumber: found {found}, allowed: {fewest} or more, with {count} trials for "
            "search.finalists, the supernet's, and as many candidates as finalists"
        )


def _check_finalists(config: ProjectConfig, images: int) -> None:
    """Refuse a recipe that they cannot be trained by."""
    if config.search.finalists is None:
        return

    from trionet_nni.training.recipe import check_batch, resized

    check_batch(config.retrain.batch_size, images, "retrain")
    resized(config.retrain, config.search.finalists.steps, images // config.retrain.batch_size, "retrain")


def check_cards(settings: dict[str, Any]) -> int:
    """Refuse trials that ask for more cards than this machine has: NNI would wait for them for ever.

    Args:
        settings: a whole experiment file.

    Returns:
        How many cards the experiment's trials can use, 0 where they ask for none.

    Raises:
        InputError: there are too few.
    """
    service = settings.get("trainingService")
    local = service if isinstance(service, dict) else {}
    wanted = nni_value(local, "trialGpuNumber") or nni_value(settings, "trialGpuNumber")
    named = nni_value(local, "gpuIndices")
    if not named and (not isinstance(wanted, int) or wanted < 1):
        return 0
    if not is_local(settings):
        return wanted if isinstance(wanted, int) else 0  # of other machines
    import torch

    there = torch.cuda.device_count()
    _check_indices(named, there)
    if not isinstance(wanted, int):
        return 0
    if wanted > there:
        raise InputError(f"trialGpuNumber: found {wanted}, allowed: up to the {there} GPUs of this machine")
    return there


def _check_active(settings: dict[str, Any], warm: bool) -> None:
    """Refuse warm evaluators where NNI leaves cards alone on which somebody computes: they stay."""
    service = settings.get("trainingService")
    local = service if isinstance(service, dict) else {}
    asks = nni_value(local, "trialGpuNumber") or nni_value(settings, "trialGpuNumber")
    if warm and asks and is_local(settings) and nni_value(local, "useActiveGpu") is False:
        raise InputError(
            "trainingService.useActiveGpu: found false, allowed: true, because evaluators stay on their "
            "cards between candidates; or search.warm: false"
        )


def is_local(settings: dict[str, Any]) -> bool:
    """Whether an experiment's trials run on this machine."""
    service = settings.get("trainingService")
    return not isinstance(service, dict) or service.get("platform") in (None, "local")


def nni_value(settings: dict[str, Any], name: str) -> Any:
    """A field of NNI's, which takes trial_gpu_number for trialGpuNumber."""
    plain = {str(key).lower().replace("_", ""): value for key, value in settings.items()}
    return plain.get(name.lower())


def _check_indices(given: Any, there: int) -> None:
    """`gpuIndices`: a number, a list of numbers, or a text of numbers with commas."""
    parts = given.split(",") if isinstance(given, str) else given if isinstance(given, list) else [given]
    for part in parts if given is not None else []:
        if not str(part).strip().isdecimal() or int(part) >= there:
            found = str(part).strip() or "nothing"
            raise InputError(
                f"trainingService.gpuIndices: found {found}, allowed: numbers below {there}, "
                "the GPUs of this machine"
            )


def _check_module(field: str, name: str) -> None:
    """Whether a plug-in exists, without importing it: NNI takes seconds."""
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        found = None
    if found is None:
        raise InputError(f"{field}: found {shown(name)}, allowed: the dotted path of a module")
