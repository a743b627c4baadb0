"""FGVC Aircraft (Maji et al. 2013): 100 variants, 6,667 + 3,333 images."""

from __future__ import annotations

from trionet_nni.data.listed import listed_source
from trionet_nni.data.published import labelled, root_of
from trionet_nni.data.source import Dataset, Source
from trionet_nni.settings.project import DataConfig


def open_fgvc_aircraft(config: DataConfig) -> Source:
    """`root/fgvc-aircraft-2013b/data/` as published; training and validation images are trained on.

    Raises:
        InputError: a part is missing.
    """
    from torchvision.datasets import FGVCAircraft

    root = root_of(config)
    train, classes = labelled(FGVCAircraft, root, "trainval")
    test, _ = labelled(FGVCAircraft, root, "test")
    return listed_source(config.name, root, config.image_size, classes, train, test)


DATASETS = (Dataset("fgvc-aircraft", open_fgvc_aircraft, classes=100),)
