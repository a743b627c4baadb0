"""Caltech-101 (Fei-Fei et al. 2004): 101 classes; the folder of background pictures is not one of them."""

from __future__ import annotations

import torch

from trionet_nni.data.folder import class_images
from trionet_nni.data.listed import Labelled, listed_source
from trionet_nni.data.published import root_of
from trionet_nni.data.seeding import seeded
from trionet_nni.data.source import Dataset, Source
from trionet_nni.settings.project import DataConfig

_TRAIN = 30  # images of a class, the customary protocol; the paper does not name its own


def open_caltech101(config: DataConfig) -> Source:
    """`root/caltech101/101_ObjectCategories/<class>/*`; 30 random images of a class to train on.

    The data set has no split of its own: `data.seed` draws it.

    Raises:
        InputError: the folder is missing, or a class has no more than 30 images.
    """
    root = root_of(config) / "caltech101" / "101_ObjectCategories"
    listing = {name: images for name, images in class_images(root).items() if name != "BACKGROUND_Google"}
    train: list[Labelled] = []
    test: list[Labelled] = []
    for label, images in enumerate(listing.values()):
        count = min(_TRAIN, len(images) - 1)
        order = torch.randperm(len(images), generator=seeded(config.seed, "caltech", label)).tolist()
        train += [(root / images[number], label) for number in sorted(order[:count])]
        test += [(root / images[number], label) for number in sorted(order[count:])]
    return listed_source(config.name, root, config.image_size, tuple(listing), train, test)


DATASETS = (Dataset("caltech-101", open_caltech101, classes=101),)
