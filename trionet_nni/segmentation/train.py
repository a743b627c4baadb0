"""`trionet segment train`: learn a task, measure it on all validation pictures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.loggers import Logger

from trionet_nni.files.turns import alone_in
from trionet_nni.segmentation.batches import ExampleBatches
from trionet_nni.segmentation.evaluate import EvaluationCallback, evaluate
from trionet_nni.segmentation.file import read_config
from trionet_nni.segmentation.folder import RunFolder
from trionet_nni.segmentation.module import SegmentationModule
from trionet_nni.segmentation.registry import build_task
from trionet_nni.segmentation.shared.backbone import build_backbone
from trionet_nni.segmentation.shared.config import SegmentationConfig
from trionet_nni.segmentation.shared.task import SegmentationTask
from trionet_nni.settings.changes import Change
from trionet_nni.settings.loggers import check_logger
from trionet_nni.training.batches import step_loader
from trionet_nni.training.loggers import curves_logger
from trionet_nni.training.loop import Run, run_steps
from trionet_nni.training.ranks import first_alone
from trionet_nni.training.share import check_shares, this_share


def train(
    settings: Path,
    out: Path,
    *,
    seed: int | None = None,
    progress: bool = True,
    stop_after_steps: int | None = None,
    changes: Sequence[Change] = (),
) -> dict[str, Any]:
    """Train by a run's file, after a check of every picture and mask; the same call goes on after a stop.

    Args:
        out: folder of the run: `last.ckpt`, the logger's `curves/`, `weights.safetensors`, `result.json`.
        seed: instead of the recipe's.
        stop_after_steps: end after so many steps of the whole run, as if interrupted there.
        changes: of the file's settings; `segment.yml` of the run has them.

    Returns:
        What `run_steps` gives and, of a complete run, "metrics" in percent and the number of "pictures".

    Raises:
        InputError: one line about an unusable file or setting, or a folder of another run.
    """
    config = _seeded(read_config(settings, changes), seed)
    check_logger(config.logger, f"{settings}: logger")
    with alone_in(out, "trains") if this_share().rank == 0 else nullcontext():
        if config.devices == 1 or this_share().world > 1:
            return _train_share(config, out, progress, stop_after_steps)
        from trionet_nni.training.together import run_together  # torchrun's agent: a second

        arguments = (config, out, progress, stop_after_steps)
        together: dict[str, Any] = run_together(config.devices, "devices", _train_share, *arguments)
        return together


def _train_share(
    config: SegmentationConfig, out: Path, progress: bool, stop_after_steps: int | None
) -> dict[str, Any]:
    """What each of the processes does; one where there is no other."""
    share, folder = this_share(), RunFolder(out)
    check_shares(config.recipe.batch_size, "recipe")
    with first_alone():
        backbone = build_backbone(config.backbone, config.recipe.seed)
        task = build_task(config, backbone)
        batches = ExampleBatches(task, config.recipe.batch_size, config.recipe.seed, share)
        folder.begin(config, backbone, task)
    progress = progress and share.rank == 0
    mark, title = fingerprint(config, task), f"{config.task} {out.name}"
    module = SegmentationModule(task, config.recipe, mark)
    check = EvaluationCallback(task, config.evaluate_every, config.validation_pictures, progress)
    with curves_logger(config.logger, out, "curves", title) as logger:
        run = Run(
            out,
            config.recipe.iterations,
            mark,
            title=title,
            progress=progress,
            checkpoint_minutes=config.checkpoint_minutes,
            stop_after_steps=stop_after_steps,
            precision=config.recipe.precision,
            logger=logger,
            settings={"folder": str(out.resolve()), **config.model_dump(mode="json")},
            all_used=False,  # a batch without a thing, for example
        )
        done = run_steps(run, module, partial(step_loader, batches, workers=config.data.workers), [check])
        if not done["complete"] or share.rank > 0:
            return done
        return _measured(folder, task, done, logger, progress)


def fingerprint(config: SegmentationConfig, task: SegmentationTask[Any]) -> str:
    """Equal for runs of the same recipe on the same pictures with equally shaped models."""
    shapes = {name: list(tensor.shape) for name, tensor in task.model.state_dict().items()}
    text = json.dumps([shapes, config.recipe.model_dump(), config.backbone.model_dump(), task.identity()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _seeded(config: SegmentationConfig, seed: int | None) -> SegmentationConfig:
    if seed is None:
        return config
    return config.model_copy(update={"recipe": config.recipe.model_copy(update={"seed": seed})})


def _measured(
    folder: RunFolder, task: SegmentationTask[Any], done: dict[str, Any], logger: Logger, progress: bool
) -> dict[str, Any]:
    if torch.cuda.is_available():
        task.model.cuda()
    metrics = evaluate(task, board=logger, step=done["steps"], progress=progress)
    result = {**done, "metrics": metrics, "pictures": task.validation_pictures}
    folder.finish(task, result)
    return result
