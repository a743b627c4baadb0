"""The one-shot strategy: NNI's OneShotStrategy with elastic blocks, sampling and sandwich rule joined.

`train_supernet` is what an experiment's first trial runs: it trains or resumes the supernet in a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from nni.nas.evaluator.pytorch import Lightning, LightningModule, Trainer
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.oneshot.pytorch.strategy import OneShotStrategy, no_default_hook
from nni.nas.oneshot.pytorch.supermodule.sampling import PathSamplingRepeat
from nni.nas.space import RawFormatModelSpace
from pytorch_lightning.loggers import Logger
from torch import Tensor
from torch.nn import Module
from torch.nn.functional import cross_entropy

from strategies.curves import Curves
from strategies.elastic import ElasticBlock
from strategies.lanes import LANES
from strategies.sandwich import draw
from strategies.sandwich_module import SandwichModule
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.data import Splits, load_splits
from trionet_nni.errors import InputError
from trionet_nni.files.atomic import write_json, write_tensors
from trionet_nni.operators.layers.attention_dropout import set_attention_dropout
from trionet_nni.settings.plugins import load_module
from trionet_nni.settings.project import ProjectConfig, RecipeConfig, SupernetConfig
from trionet_nni.supernet.region_sgd import RegionSGD
from trionet_nni.supernet.sharing import Sharing
from trionet_nni.training.batches import StepBatches, step_loader
from trionet_nni.training.checkpoints import NAME, AtomicCheckpointIO, StepCheckpoint, newest_checkpoint
from trionet_nni.training.devices import UnwrappedStrategy, devices
from trionet_nni.training.divergence import Divergence, RolledBack, rolling_back
from trionet_nni.training.loggers import curves_logger, log_settings
from trionet_nni.training.recipe import check_recipe, optimizer, precision, schedule, total_steps
from trionet_nni.training.share import this_share

Report = Callable[[dict[str, float]], None]


class SupernetTask(LightningModule):  # type: ignore[misc]
    """The "training" half in NNI's terms: loss, optimizer and schedule of the recipe."""

    def __init__(self, recipe: RecipeConfig, steps_per_epoch: int) -> None:
        super().__init__()
        self.recipe, self.steps_per_epoch = recipe, steps_per_epoch

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the chosen sub-network."""
        logits: Tensor = self.model(x)
        return logits

    def loss(self, batch: tuple[Tensor, Tensor], supernet: Module | None = None) -> Tensor:
        """Cross entropy with label smoothing, of the task's own supernet where no other is named."""
        images, labels = batch
        logits = (supernet or self)(images)
        return cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)

    def configure_optimizers(self) -> Any:
        """SGD without decay of its own: decay belongs to the largest sub-network alone."""
        sgd = optimizer(self.recipe, self.parameters(), weight_decay=0.0, kind=RegionSGD)
        steps = schedule(self.recipe, sgd, self.steps_per_epoch)
        return [sgd], [{"scheduler": steps, "interval": "step"}]


class TrioNetOneShot(OneShotStrategy):  # type: ignore[misc]
    """Weight-sharing training of a TrioNet space (section 3.3).

    Args:
        config: sampling, sharing and sandwich; each names one idea in its own file.
        table: the search space.
    """

    def __init__(self, config: SupernetConfig, table: SpaceTable) -> None:
        self.config, self.table = config, table
        self.sharing: Sharing = load_module(config.sharing, ("SHARING",), "supernet.sharing").SHARING
        super().__init__(mutation_hooks=[ElasticBlock.hook(self.sharing)])

    def default_mutation_hooks(self) -> list[Any]:
        """NNI's own Repeat for the depth; anything else that is searched is refused."""
        return [PathSamplingRepeat.mutate, no_default_hook]

    def configure_oneshot_module(self, training_module: LightningModule) -> SandwichModule:
        """The steps of the supernet."""
        sampling = load_module(self.config.sampling, ("SAMPLING",), "supernet.sampling").SAMPLING
        return SandwichModule(
            training_module,
            table=self.table,
            sampling=sampling,
            sandwich=self.config.sandwich,
            random_subnetworks=self.config.random_subnetworks,
            weight_decay=self.config.recipe.weight_decay,
            seed=self.config.recipe.seed,
            parts=self.config.recipe.parts,
            share=this_share(),
            # Side by side, passes would draw from torch's generator in an order left to chance.
            lanes=1 if self.config.recipe.random else LANES,
        )

    def mutate_model(self, model: ModelSpace) -> Any:
        """The supernet of a space."""
        supernet = super().mutate_model(model)
        set_attention_dropout(supernet, self.config.recipe.attention_dropout)
        return supernet


def subnetworks(
    config: SupernetConfig, table: SpaceTable, random: np.random.Generator
) -> Sequence[Architecture]:
    """The sub-networks of a step: what it costs can be known before there is a supernet."""
    sampling = load_module(config.sampling, ("SAMPLING",), "supernet.sampling").SAMPLING
    return draw(table, sampling, config.sandwich, config.random_subnetworks, random).subnetworks


def build_supernet(config: ProjectConfig, splits: Splits) -> ModelSpace:
    """The declared space of an experiment, initialized from the recipe's seed, not yet elastic."""
    plugin = load_module(config.space, ("TABLE", "build"), "space")
    pl.seed_everything(config.supernet.recipe.seed, verbose=False)
    space = plugin.build(classes=splits.classes, channels=splits.channels, image_size=splits.image_size)
    space.dropout.p = config.supernet.recipe.dropout
    return space


def train_supernet(
    config: ProjectConfig,
    directory: Path,
    report: Report,
    *,
    cache: Path | None = None,
    stop_after_steps: int | None = None,
) -> None:
    """Train a supernet, or go on with the one whose checkpoint lies in `directory`.

    Writes `last.ckpt` as it goes (`previous.ckpt` is the one before it), TensorBoard curves under
    `tensorboard/`, and at the end `supernet.safetensors` and `complete.json`.

    Args:
        report: receives accuracies of the largest sub-network of each operator (Fig. 5) as
            {"default": their mean, operator: accuracy …, "step": optimizer steps so far}.
        cache: folder for decoded images.
        stop_after_steps: stop early with a checkpoint, unfinished.

    In each process that torchrun starts it is called once: they share every batch's parts, and the first
    of them writes.

    Raises:
        InputError: the configuration does not fit the data, or the number of processes.
        RunFailed: it diverged twice.
    """
    directory.mkdir(parents=True, exist_ok=True)
    splits = load_splits(config.data, cache or directory.parent.parent / "cache")
    recipe = config.supernet.recipe
    check_recipe(recipe, len(splits.train), "supernet.recipe")
    share = this_share()
    if recipe.parts % share.world:
        allowed = f"a divisor of the {recipe.parts} parts of a batch (batch_size / micro_batch)"
        raise InputError(f"supernet.recipe: found {share.world} processes, allowed: {allowed}")
    batches = StepBatches(
        splits.train, recipe.batch_size, recipe.augment, recipe.seed, recipe.micro_batch, share
    )
    steps = total_steps(recipe, batches.steps_per_epoch)

    title = f"supernet {config.supernet_hash()}"
    with curves_logger(recipe.logger, directory, "tensorboard", title) as logger:

        def attempt(back: RolledBack | None) -> None:
            _train(config, splits, directory, batches, steps, report, stop_after_steps, back, logger)

        rolling_back(directory, "supernet", attempt)


def _train(
    config: ProjectConfig,
    splits: Splits,
    directory: Path,
    batches: StepBatches,
    steps: int,
    report: Report,
    stop_after_steps: int | None,
    back: RolledBack | None,
    logger: Logger,
) -> None:
    recipe = config.supernet.recipe
    space = build_supernet(config, splits)
    strategy = TrioNetOneShot(config.supernet, space.table)
    last = directory / NAME
    checkpoint = newest_checkpoint(last, "supernet")
    start = int(checkpoint["global_step"]) if checkpoint else 0
    points = config.supernet.curve_points
    curves = Curves(splits, space.table, strategy.sharing, steps, points, report)
    divergence = Divergence(directory, back)
    minutes = config.supernet.checkpoint_minutes
    keeper = StepCheckpoint(directory, minutes, stop_after_steps, divergence.check)
    trainer = _trainer(recipe, logger, steps, [divergence, curves, keeper])
    log_settings(logger, config.model_dump(mode="json", include={"space", "data", "supernet"}))
    evaluator = Lightning(
        SupernetTask(recipe, batches.steps_per_epoch),
        trainer,
        train_dataloaders=step_loader(batches, start, steps, config.data.workers),
        val_dataloaders=[],
        fit_kwargs={"ckpt_path": str(last)} if checkpoint else None,
    )
    strategy(RawFormatModelSpace(space, evaluator), SequentialExecutionEngine())
    if trainer.global_step < steps or not trainer.is_global_zero:
        return
    write_tensors(directory / "supernet.safetensors", dict(strategy.supernet.state_dict()))
    write_json(
        directory / "complete.json",
        {
            "hash": config.supernet_hash(),
            "steps": steps,
            "seconds": round(keeper.seconds, 1),
            "operators_sampled": dict(strategy.oneshot_module.operator_counts),
            "data": splits.record,
            **divergence.state_dict(),
        },
    )


def _trainer(recipe: RecipeConfig, logger: Logger, steps: int, callbacks: list[pl.Callback]) -> Trainer:
    return Trainer(
        max_steps=steps,
        max_epochs=1,  # of the loader, which is the whole run
        **devices(UnwrappedStrategy),
        accelerator="auto",
        precision=precision(recipe),
        logger=logger,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        num_sanity_val_steps=0,
    )
