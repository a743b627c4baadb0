"""Other divisions of the images that a search trains and scores on, to see who is good on one alone."""

from __future__ import annotations

import torch
from torch import Tensor

from trionet_nni.data.images import ImageSet
from trionet_nni.data.seeding import seeded
from trionet_nni.data.splits import Splits
from trionet_nni.data.training_images import TrainingImages


def fold(splits: Splits | TrainingImages, number: int, seed: int) -> tuple[ImageSet, ImageSet]:
    """Training and search images of a division; together they are always the same images.

    Division 1 is the experiment's own. Every further one has other search images, out of its training
    images, and no image twice as long as there are enough: so they are a cross-validation over the images
    of the search. Pixels are normalized as in the first one.

    Args:
        splits: `train` and `search` are divided anew; of test images nothing is read.
        number: from 1.
        seed: of the data's division.

    Returns:
        The training images, as many as before or more, and the search images, as many as before or, where
        there are fewer training images, as many as these.
    """
    if number == 1:
        return splits.train, splits.search
    rows = len(splits.train)
    size = min(len(splits.search), rows)
    order = torch.randperm(rows, generator=seeded(seed, "folds"))
    chosen = order[((number - 2) * size + torch.arange(size)) % rows]
    left = torch.ones(rows, dtype=torch.bool)
    left[chosen] = False
    return _joined(_part(splits.train, left), splits.search), _part(splits.train, chosen)


def _part(images: ImageSet, rows: Tensor) -> ImageSet:
    return ImageSet(images.store, images.indices[rows], images.labels[rows], images.mean, images.std)


def _joined(first: ImageSet, second: ImageSet) -> ImageSet:
    return ImageSet(
        first.store,
        torch.cat([first.indices, second.indices]),
        torch.cat([first.labels, second.labels]),
        first.mean,
        first.std,
    )
