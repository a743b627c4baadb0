"""Training batches as a pure function of (seed, step), so that a resumed run sees the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from trionet_nni.data.images import ImageSet
from trionet_nni.data.seeding import seeded
from trionet_nni.errors import InputError
from trionet_nni.training.augment import AUGMENTATIONS

Batch = tuple[Tensor, Tensor]


class StepBatches(Dataset[Batch]):
    """Batch number `step` of an endless training run; every epoch is another permutation.

    Args:
        batch_size: images of a batch; what is left of an epoch is dropped.
        augment: a name in `training.augment.AUGMENTATIONS`.
        seed: decides order and augmentation; the global generators are neither read nor moved.

    Raises:
        InputError: fewer images than one batch.
    """

    def __init__(self, images: ImageSet, batch_size: int, augment: str, seed: int) -> None:
        if not 1 <= batch_size <= len(images):
            raise InputError(
                f"recipe.batch_size: found {batch_size}, allowed: 1 to {len(images)} (the training images)"
            )
        self.images, self.batch_size, self.seed = images, batch_size, seed
        self.augment = AUGMENTATIONS[augment]
        self.steps_per_epoch = len(images) // batch_size
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def __getitem__(self, step: int) -> Batch:
        """Images, float32 [B, C, S, S], and labels, int64 [B], of training step `step` ≥ 0."""
        epoch, number = divmod(step, self.steps_per_epoch)
        rows = self._permutation(epoch)[number * self.batch_size :][: self.batch_size]
        pixels = self.augment(self.images, rows, seeded(self.seed, "step", step))
        return self.images.normalize(pixels), self.images.labels[rows]

    def _permutation(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            self._order = torch.randperm(len(self.images), generator=seeded(self.seed, "epoch", epoch))
            self._epoch = epoch
        return self._order


class _Steps(Sampler[int]):
    """start … stop − 1, with the length of the whole run: Lightning counts what came before a resume."""

    def __init__(self, start: int, stop: int) -> None:
        self.start, self.stop = start, stop

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.stop))

    def __len__(self) -> int:
        return self.stop


def step_loader(batches: Dataset[Any], start: int, stop: int, workers: int = 0) -> DataLoader[Any]:
    """A loader of the steps start … stop − 1, whose `len()` is `stop`.

    Args:
        batches: gives the whole batch of a step.
        workers: processes that prepare batches; 0 for images in memory.
    """
    return DataLoader(
        batches,
        batch_size=None,
        sampler=_Steps(start, stop),
        num_workers=workers,
        generator=torch.Generator(),  # else the loader draws from the global generator
    )
