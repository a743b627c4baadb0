"""Stanford Cars (Krause et al. 2013): 196 classes, 8,144 + 8,041 images."""

from __future__ import annotations

from trionet_nni.data.listed import listed_source
from trionet_nni.data.published import labelled, root_of
from trionet_nni.data.source import Dataset, Source
from trionet_nni.settings.project import DataConfig


def open_stanford_cars(config: DataConfig) -> Source:
    """`root/stanford_cars/` as torchvision lays it out: devkit, cars_train, cars_test, the test labels.

    Raises:
        InputError: a part is missing.
    """
    from torchvision.datasets import StanfordCars

    root = root_of(config)
    train, classes = labelled(StanfordCars, root, "train")
    test, _ = labelled(StanfordCars, root, "test")
    return listed_source(config.name, root, config.image_size, classes, train, test)


DATASETS = (Dataset("stanford-cars", open_stanford_cars, classes=196),)
