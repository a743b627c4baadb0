"""Food-101 (Bossard et al. 2014): 101 classes, 750 images of each to train on, 250 to test."""

from __future__ import annotations

from trionet_nni.data.listed import listed_source
from trionet_nni.data.published import labelled, root_of
from trionet_nni.data.source import Dataset, Source
from trionet_nni.settings.project import DataConfig


def open_food(config: DataConfig) -> Source:
    """`root/food-101/` as published.

    Raises:
        InputError: a part is missing.
    """
    from torchvision.datasets import Food101

    root = root_of(config)
    train, names = labelled(Food101, root, "train")
    test, _ = labelled(Food101, root, "test")
    return listed_source(config.name, root, config.image_size, names, train, test)


DATASETS = (Dataset("food-101", open_food, classes=101),)
