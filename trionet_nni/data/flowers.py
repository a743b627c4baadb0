"""102 Flowers (Nilsback and Zisserman 2008): 1,020 + 1,020 images to train on, 6,149 to test."""

from __future__ import annotations

from trionet_nni.data.listed import listed_source
from trionet_nni.data.published import labelled, root_of
from trionet_nni.data.source import Dataset, Source
from trionet_nni.settings.project import DataConfig


def open_flowers(config: DataConfig) -> Source:
    """`root/flowers-102/` as published; training and validation images are trained on.

    Raises:
        InputError: a part is missing, or a label file is not the published one.
    """
    from torchvision.datasets import Flowers102

    root = root_of(config)
    train, _ = labelled(Flowers102, root, "train")
    validation, _ = labelled(Flowers102, root, "val")
    test, _ = labelled(Flowers102, root, "test")
    count = 1 + max(label for part in (train, validation, test) for _, label in part)
    names = [str(number) for number in range(1, count + 1)]  # the data set numbers its classes
    return listed_source(config.name, root, config.image_size, names, [*train, *validation], test)


DATASETS = (Dataset("flowers-102", open_flowers, classes=102),)
