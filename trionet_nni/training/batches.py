"""Training batches as a pure function of (seed, step), so that a resumed run sees the same ones."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from trionet_nni.data.images import ImageSet
from trionet_nni.data.seeding import seeded
from trionet_nni.data.stores import MemoryStore
from trionet_nni.training.augment import AUGMENTATIONS
from trionet_nni.training.recipe import check_batch
from trionet_nni.training.share import ALONE, Share, processes_here

Batch = tuple[Tensor, Tensor]

_BATCHES_A_WORKER = 3  # two waiting, one in the making


class StepBatches(Dataset[Batch]):
    """Batch number `step` of an endless training run; every epoch is another permutation.

    Args:
        batch_size: images of a batch; what is left of an epoch is dropped.
        augment: a name in `training.augment.AUGMENTATIONS`.
        seed: decides order and augmentation; the global generators are neither read nor moved.
        micro_batch: images of a part of the batch, where it is trained in parts. A part is a function of
            seed, step and its number in the batch, whoever makes it. None: the whole batch, or a part for
            each process that shares it.
        share: whose parts these are to be, where several processes share a batch.

    Raises:
        InputError: fewer images than one batch.
    """

    def __init__(
        self,
        images: ImageSet,
        batch_size: int,
        augment: str,
        seed: int,
        micro_batch: int | None = None,
        share: Share = ALONE,
    ) -> None:
        check_batch(batch_size, len(images))
        if micro_batch is None and share.world > 1:
            micro_batch = batch_size // share.world
        self.micro_batch, self.share = micro_batch, share
        self.images, self.batch_size, self.seed = images, batch_size, seed
        self.augment = AUGMENTATIONS[augment]
        self.steps_per_epoch = len(images) // batch_size
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def __getitem__(self, step: int) -> Batch:
        """Images, float32 [B, C, S, S], and labels, int64 [B], of training step `step` ≥ 0.

        Of a share B is less: its parts, one after the other.
        """
        epoch, number = divmod(step, self.steps_per_epoch)
        rows = self._permutation(epoch)[number * self.batch_size :][: self.batch_size]
        if self.micro_batch is None:
            pixels = self.augment(self.images, rows, seeded(self.seed, "step", step))
            return self.images.normalize(pixels), self.images.labels[rows]
        parts = torch.split(rows, self.micro_batch)
        mine = self.share.of(len(parts))
        pixels = torch.cat(
            [self.augment(self.images, parts[k], seeded(self.seed, "step", step, "part", k)) for k in mine]
        )
        return self.images.normalize(pixels), self.images.labels[torch.cat([parts[k] for k in mine])]

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


def step_loader(
    batches: Dataset[Any], start: int, stop: int, workers: int | None = None
) -> DataLoader[Any]:
    """A loader of the steps start … stop − 1, whose `len()` is `stop`.

    Args:
        batches: gives the whole batch of a step.
        workers: processes that prepare batches; None: see `needed_workers`, and none for other data.
    """
    if workers is None:
        workers = needed_workers(batches) if isinstance(batches, StepBatches) else 0
    return DataLoader(
        batches,
        batch_size=None,
        sampler=_Steps(start, stop),
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator(),  # else the loader draws from the global generator
    )


def needed_workers(batches: StepBatches) -> int:
    """Processes that keep a training step from waiting for its batch.

    None for images in memory, which take a hundredth of a step. Files are decoded by one process beside a
    network on the CPU, which is slower than any decoder, and by up to 16 beside a GPU; as many as cores and
    the shared memory, through which batches come, allow. Processes that train together share the cores.
    """
    if isinstance(batches.images.store, MemoryStore):
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    here = processes_here()
    free = cores - 1 if here == 1 else max(1, cores // here - 1)
    wanted = min(16 if torch.cuda.is_available() else 1, free)
    store = batches.images.store
    batch_bytes = 4 * batches.batch_size * store.channels * store.image_size**2
    return min(wanted, _shared_memory() // (_BATCHES_A_WORKER * batch_bytes))


def _shared_memory() -> int:
    """Bytes that are free for passing batches between processes; without the usual place, a lot."""
    try:
        return shutil.disk_usage("/dev/shm").free
    except OSError:
        return sys.maxsize
