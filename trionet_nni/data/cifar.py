"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 50,000 images of 32 × 32 to train on, 10,000 to test."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from trionet_nni.data.published import root_of
from trionet_nni.data.source import Dataset, Source
from trionet_nni.errors import InputError
from trionet_nni.settings.project import DataConfig

_SIDE = 32


def _open(kind: str, config: DataConfig) -> Source:
    """`root/cifar-10-batches-py/` or `root/cifar-100-python/` as published.

    The files are pickles. torchvision compares their checksums with the published ones before it opens
    them, so that no others are.

    Raises:
        InputError: a file is missing, or not the published one.
    """
    from torchvision import datasets

    root = root_of(config)
    try:
        train, test = (getattr(datasets, kind)(root, train=part) for part in (True, False))
    except (RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())[:80]
        raise InputError(f"{root}: data.root: found no readable {config.name} ({reason})") from None
    return Source(
        key=f"{config.name} as published",
        class_names=tuple(train.classes),
        read=partial(_read, train, test, config.image_size),
        train_count=len(train.targets),
    )


def _read(train: Any, test: Any, size: int) -> tuple[Tensor, Tensor]:
    pixels = torch.cat([torch.from_numpy(part.data).permute(0, 3, 1, 2) for part in (train, test)])
    labels = torch.tensor([*train.targets, *test.targets])
    return (pixels.contiguous() if size == _SIDE else _resized(pixels, size)), labels


def _resized(pixels: Tensor, size: int, chunk: int = 4096) -> Tensor:
    """Bilinear, some at a time: as floating point numbers all of them take four times the memory."""
    parts = [
        F.interpolate(part.float(), (size, size), mode="bilinear", antialias=True)
        .round_()
        .clamp_(0, 255)
        .to(torch.uint8)
        for part in torch.split(pixels, chunk)
    ]
    return torch.cat(parts)


DATASETS = (
    Dataset("cifar-10", partial(_open, "CIFAR10"), classes=10),
    Dataset("cifar-100", partial(_open, "CIFAR100"), classes=100),
)
