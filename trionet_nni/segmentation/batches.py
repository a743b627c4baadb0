"""Training batches of a task as a pure function of (seed, step), so that a resumed run sees the same."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import Dataset

from trionet_nni.data.seeding import seeded
from trionet_nni.segmentation.shared.task import Batch, SegmentationTask
from trionet_nni.training.recipe import check_batch
from trionet_nni.training.share import ALONE, Share


class ExampleBatches(Dataset[Batch]):
    """Batch number `step` of an endless run; every pass over the pictures has another order.

    Args:
        share: whose examples these are to be, where several processes share a batch. An example is a
            function of seed, step and its place in the whole batch, whoever makes it.

    Raises:
        InputError: fewer training pictures than one batch.
    """

    def __init__(
        self, task: SegmentationTask[Any], batch_size: int, seed: int, share: Share = ALONE
    ) -> None:
        check_batch(batch_size, task.training_pictures, what="training pictures")
        self.task, self.batch_size, self.seed, self.share = task, batch_size, seed, share
        self.steps_per_epoch = task.training_pictures // batch_size

    def __getitem__(self, step: int) -> Batch:
        """The task's examples, stacked: each entry gets a first axis of `batch_size`, or of the share."""
        epoch, number = divmod(step, self.steps_per_epoch)
        order = torch.randperm(self.task.training_pictures, generator=seeded(self.seed, "epoch", epoch))
        rows = order[number * self.batch_size :][: self.batch_size].tolist()
        examples = [
            self.task.example(rows[place], seeded(self.seed, "step", step, "example", place))
            for place in self.share.of(self.batch_size)
        ]
        return {name: torch.stack([example[name] for example in examples]) for name in examples[0]}
