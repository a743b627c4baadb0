"""Training one network by a recipe, resumable at any step with the same result bit for bit (on a CPU)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch import nn

from trionet_nni.data.images import ImageSet
from trionet_nni.files.turns import alone_in
from trionet_nni.network.trionet import TrioNet
from trionet_nni.settings.project import RecipeConfig
from trionet_nni.training.batches import StepBatches, step_loader
from trionet_nni.training.chance import TrainingChance, chance
from trionet_nni.training.classification import Classification
from trionet_nni.training.loggers import curves_logger
from trionet_nni.training.loop import Run, run_steps
from trionet_nni.training.recipe import precision, total_steps
from trionet_nni.training.share import this_share


def fit(
    network: nn.Module,
    recipe: RecipeConfig,
    train: ImageSet,
    directory: Path,
    *,
    classes: int | None = None,
    title: str = "training",
    progress: bool = True,
    checkpoint_minutes: float = 2,
    workers: int | None = None,
    stop_after_steps: int | None = None,
    callbacks: Sequence[pl.Callback] = (),
) -> dict[str, Any]:
    """Train `network` in place, going on from `directory/last.ckpt` where there is one.

    Where torchrun started several processes, each calls this and trains on its share of every batch. BN is
    over a share (the paper: 32 images of 256 on each of 8 GPUs), its running statistics are those of the
    first process.

    Args:
        directory: gets `last.ckpt` and TensorBoard's `curves/`.
        classes: number of classes; the largest label + 1 when None.
        title: what the progress bar says.
        checkpoint_minutes: time between checkpoints.
        workers: processes that prepare batches; see `step_loader`.
        stop_after_steps: end after so many steps of the whole run, as if interrupted there.
        callbacks: Lightning's, beside those that every run has.

    Returns:
        What `run_steps` gives.

    Raises:
        InputError: fewer images than a batch, or the checkpoint is another run's.
        RunFailed: it diverged twice.
    """
    directory.mkdir(parents=True, exist_ok=True)
    share = this_share()
    batches = StepBatches(train, recipe.batch_size, recipe.augment, recipe.seed, share=share)
    count = int(train.labels.max()) + 1 if classes is None else classes
    mark, total = fingerprint(network, recipe, train), total_steps(recipe, batches.steps_per_epoch)
    module = Classification(network, recipe, count, batches.steps_per_epoch, mark)
    stuck = TrainingChance(title, total, chance(train.labels))
    loader = partial(step_loader, batches, workers=workers)
    with (
        alone_in(directory, "trains") if share.rank == 0 else nullcontext(),
        curves_logger(recipe.logger, directory, "curves", title) as logger,
    ):
        run = Run(
            directory,
            total,
            mark,
            title=title,
            progress=progress and share.rank == 0,
            checkpoint_minutes=checkpoint_minutes,
            stop_after_steps=stop_after_steps,
            precision=precision(recipe),
            logger=logger,
            settings=_settings(network, recipe, train, directory),
        )
        return run_steps(run, module, loader, [stuck, *callbacks])


def _settings(network: nn.Module, recipe: RecipeConfig, train: ImageSet, directory: Path) -> dict[str, Any]:
    """What a logger writes down beside the curves."""
    chosen = network.architecture if isinstance(network, TrioNet) else None
    known = {} if chosen is None else {"network": chosen.operators, "architecture": chosen.to_dict()}
    params = sum(parameter.numel() for parameter in network.parameters())
    where = {"folder": str(directory.resolve()), "images": len(train), "params": params}
    return {**known, **where, "recipe": recipe.model_dump(mode="json")}


def fingerprint(network: nn.Module, recipe: RecipeConfig, train: ImageSet) -> str:
    """Equal for runs of the same recipe on the same images with equally shaped networks."""
    shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    images = hashlib.sha256(train.indices.numpy().tobytes()).hexdigest()
    parts = [shapes, recipe.identity(), images, train.mean.tolist(), train.std.tolist()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
