"""A few real steps of every stage, in a process of their own, so that its memory is theirs alone."""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.errors import InputError
from trionet_nni.settings.amounts import Amount
from trionet_nni.settings.project import ProjectConfig, RecipeConfig, SupernetRecipe

_Recipe = TypeVar("_Recipe", bound=RecipeConfig)
_WARM = 2  # steps that are not counted: memory is taken and caches are filled in them
_CPU_PIXELS = 64 * 64**2  # of a measured step on a CPU, where 256 photographs would take minutes
_IMAGES = 128  # of a measured candidate
_CLEAR = 0.5  # of a run's time: steps that take less are lost in what a run has besides its steps
_FEWEST_SECONDS = 1.0  # that measured steps take together
_MOST_STEPS = 1_000  # steps of a millisecond are not worth more


@dataclass(frozen=True)
class Timings:
    """What was measured, carried over to the experiment's own sizes.

    Attributes:
        device: "cpu" or the card's name.
        step: seconds of a supernet's step, all its sub-networks.
        candidate: seconds of an evaluation, recalibration and all search images.
        finalist_step: seconds of a step of a network in the middle of the budget, in a trial.
        retrain_step: of its last training, which has all cores, or `retrain.devices`.
        memory: bytes at the peak, of the card where there is one, else of the process.
        batch: images of a measured step; where it is not the recipe's, times and memory were scaled.
        weights, checkpoint: bytes of the supernet's files.
    """

    device: str
    step: float
    candidate: float
    finalist_step: float
    retrain_step: float
    memory: float
    batch: int
    weights: int
    checkpoint: int


def measure(
    config: ProjectConfig, network: Architecture, cache: Path, steps: int, images: int, threads: int | None
) -> Timings:
    """Take `steps` steps of each stage.

    Args:
        config: with absolute paths.
        network: within the budget.
        cache: folder of decoded images.
        images: that a candidate's evaluation reads, those for recalibration included.
        threads: of a trial that shares the processor with others; None: as many as torch takes.

    Raises:
        InputError: the steps cannot be taken, e.g. for want of memory.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(config, network, cache, steps, images, threads, theirs))
    process.start()
    theirs.close()
    try:
        found = ours.recv()
    except EOFError:
        found = "it was ended by the system, perhaps for want of memory"
    process.join()
    if isinstance(found, Timings):
        return found
    raise InputError(f"plan: found no way to take a few steps ({found}), allowed: a run that can start")


def _work(
    config: ProjectConfig,
    network: Architecture,
    cache: Path,
    steps: int,
    images: int,
    threads: int | None,
    end: Connection,
) -> None:
    from trionet_nni.data import opened_once
    from trionet_nni.training.process import prepare_process

    prepare_process()
    try:
        temporary = tempfile.TemporaryDirectory(prefix="trionet-plan-")
        with temporary as folder, _silence(), opened_once():
            end.send(_measure(config, network, cache, steps, images, threads, Path(folder)))
    except Exception as error:  # whatever it is, it is what the long run would have met
        end.send(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
    finally:
        end.close()


@contextmanager
def _silence() -> Iterator[None]:
    """NNI and Lightning talk; what matters comes back as a result or an exception."""
    logging.disable(logging.CRITICAL)
    with Path(os.devnull).open("w") as nothing, redirect_stdout(nothing), redirect_stderr(nothing):
        yield


def _measure(
    config: ProjectConfig,
    network: Architecture,
    cache: Path,
    steps: int,
    images: int,
    threads: int | None,
    folder: Path,
) -> Timings:
    import torch

    from trionet_nni.data import load_splits

    cuda = torch.cuda.is_available()
    small = _smaller(config, None if cuda else max(4, _CPU_PIXELS // config.data.image_size**2))
    splits = load_splits(small.data, cache)
    base = _peak(cuda)
    batch = small.supernet.recipe.batch_size
    scale = config.supernet.recipe.batch_size / batch
    step, taken = _per_step(lambda count: _supernet(small, cache, folder / f"{count}", count), steps)
    trained = folder / f"{taken}"

    def retrain(count: int) -> float:
        return _retrain(small, network, splits.train, folder, count)

    retrain_step, every = _per_step(retrain, steps)[0], torch.get_num_threads()
    with _threads(threads):
        candidate = _candidate(small, trained, network, cache)
        fewer = threads is not None and threads < every
        finalist_step = _per_step(retrain, steps)[0] if fewer else retrain_step
    of_recipe = config.retrain.batch_size / small.retrain.batch_size
    return Timings(
        torch.cuda.get_device_name() if cuda else "cpu",
        scale * step,
        candidate * images / (len(splits.search) + len(splits.recalibration)),
        of_recipe * finalist_step,
        of_recipe * retrain_step,
        base + scale * max(0.0, _peak(cuda) - base),
        batch,
        (trained / "supernet.safetensors").stat().st_size,
        (trained / "last.ckpt").stat().st_size,
    )


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """As many as a trial has; None: what torch takes."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(before if count is None else min(count, before))
    yield
    torch.set_num_threads(before)


def _smaller(config: ProjectConfig, batch: int | None) -> ProjectConfig:
    """The same work on fewer held-out images, and on a CPU in smaller steps."""
    few = {name: _few(getattr(config.data, name)) for name in ("search_images", "recalibration_images")}
    data = config.data.model_copy(update={**few, "train_images": None})
    supernet = config.supernet.model_copy(
        update={"recipe": _recipe(config.supernet.recipe, batch), "curve_points": 1}
    )
    retrain = _recipe(config.retrain, batch)
    return config.model_copy(update={"data": data, "supernet": supernet, "retrain": retrain})


def _few(images: Amount) -> int:
    return min(images, _IMAGES) if isinstance(images, int) else _IMAGES


def _recipe(recipe: _Recipe, batch: int | None, steps: int | None = None) -> _Recipe:
    size = recipe.batch_size if batch is None else min(batch, recipe.batch_size)
    if isinstance(recipe, SupernetRecipe) and recipe.micro_batch is not None:  # whole parts, one at least
        size = max(1, size // recipe.micro_batch) * recipe.micro_batch
    other = {"warmup_epochs": 0.0, "warmup": None, "logger": "tensorboard"}  # no server hears of it
    return recipe.model_copy(update={"batch_size": size, "steps": steps, **other})


def _per_step(run: Callable[[int], float], steps: int) -> tuple[float, int]:
    """Seconds of a step, and the steps of the last run that was taken.

    What a run has besides its steps is in both runs and falls out; a run before them loads what the others
    find. Where the steps are too few to be seen beside the rest, more are taken.

    Args:
        run: takes so many steps and says how many seconds all of it took.
        steps: measured ones, at least.
    """
    run(_WARM - 1)
    few = run(_WARM)
    clear = max(_CLEAR * few, _FEWEST_SECONDS)
    while True:
        seconds = run(_WARM + steps) - few
        if seconds >= clear or steps >= _MOST_STEPS:
            return max(seconds, 0.0) / steps, _WARM + steps
        steps = min(_MOST_STEPS, steps * _growth(seconds, clear))


def _growth(seconds: float, clear: float) -> int:
    """How many times as many steps are tried next, from the time that some have taken."""
    return 2 if seconds > clear / 2 else 4 if seconds > clear / 4 else 8


def _supernet(config: ProjectConfig, cache: Path, folder: Path, steps: int) -> float:
    """Seconds of a whole training of so many steps."""
    from trionet_nni.settings.plugins import load_module

    plugin = load_module(config.supernet.strategy, ("train_supernet",), "supernet.strategy")
    recipe = _recipe(config.supernet.recipe, None, steps)
    short = config.model_copy(update={"supernet": config.supernet.model_copy(update={"recipe": recipe})})
    started = time.perf_counter()
    plugin.train_supernet(short, folder, lambda point: None, cache=cache)
    return time.perf_counter() - started


def _retrain(
    config: ProjectConfig, network: Architecture, train: object, folder: Path, steps: int
) -> float:
    from trionet_nni.data.images import ImageSet
    from trionet_nni.network.trionet import TrioNet
    from trionet_nni.training.fit import fit

    assert isinstance(train, ImageSet)
    classes, channels = int(train.labels.max()) + 1, int(train.mean.numel())
    built = TrioNet(network, classes=classes, channels=channels, image_size=config.data.image_size)
    recipe = _recipe(config.retrain, None, steps)
    anew = Path(tempfile.mkdtemp(prefix="retrain-", dir=folder))  # beside a finished one: no steps
    started = time.perf_counter()
    fit(built, recipe, train, anew, classes=classes, progress=False)
    return time.perf_counter() - started


def _candidate(config: ProjectConfig, supernet: Path, network: Architecture, cache: Path) -> float:
    from trionet_nni.supernet.evaluator import Evaluator

    evaluator = Evaluator(config, supernet, cache)
    evaluator.evaluate(network)  # the first one loads what the others find
    started = time.perf_counter()
    evaluator.evaluate(network)
    return time.perf_counter() - started


def _peak(cuda: bool) -> float:
    """Bytes at the peak so far."""
    if cuda:
        import torch

        return float(torch.cuda.max_memory_allocated())
    return math.ldexp(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 10)
