"""A set of labelled images: one split of a data set."""

from __future__ import annotations

import torch
from torch import Tensor

from trionet_nni.data.stores import MemoryStore, Store
from trionet_nni.errors import InputError


class ImageSet:
    """Some images of a store, in a fixed order, with their labels.

    Attributes:
        store: holds the pixels, shared by all splits of a data set.
        indices: numbers in the store, int64 [N].
        labels: class of each image, int64 [N].
        mean, std: of the training split, per channel, of pixels in [0, 1], float32 [C].
    """

    def __init__(self, store: Store, indices: Tensor, labels: Tensor, mean: Tensor, std: Tensor) -> None:
        self.store, self.indices, self.labels = store, indices, labels
        self.mean, self.std = mean, std

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def images(self) -> Tensor:
        """All pixels, uint8 [N, C, S, S].

        Raises:
            InputError: they are decoded from files on demand and not held in memory.
        """
        if not isinstance(self.store, MemoryStore):
            raise InputError(
                f"data.image_size: found {self.store.image_size}, allowed: up to 64 to hold all images in "
                "memory; read them by batches"
            )
        return self.store.read(self.indices)

    def pixels(self, indices: slice | Tensor, crops: Tensor | None = None) -> Tensor:
        """Pixels of some images, uint8 [B, C, S, S]; `crops` as in `data.stores`."""
        return self.store.read(self.indices[indices], crops)

    def normalize(self, pixels: Tensor) -> Tensor:
        """Pixels, uint8 [B, C, S, S], to zero mean and unit variance per channel, float32."""
        return normalized(pixels, self.mean, self.std)

    def normalized(self, indices: slice | Tensor) -> Tensor:
        """Network input of some images, float32 [B, C, S, S]."""
        return self.normalize(self.pixels(indices))


def normalized(pixels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Pixels, uint8 [..., C, S, S], less `mean` and by `std`, float32 [C] each, of pixels in [0, 1]."""
    scale = (1 / (255 * std)).to(pixels.device)[:, None, None]
    offset = (mean / std).to(pixels.device)[:, None, None]
    return pixels.to(torch.float32).mul_(scale).sub_(offset)


def statistics(store: Store, indices: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per channel of pixels in [0, 1], float32 [C] each.

    A channel without any variation gets the smallest step of a pixel as deviation.
    """
    counts = torch.zeros(store.channels, 256, dtype=torch.int64)
    for start in range(0, len(indices), 4096):
        for channel, values in enumerate(store.read(indices[start : start + 4096]).transpose(0, 1)):
            counts[channel] += torch.bincount(values.flatten(), minlength=256)
    levels = torch.arange(256, dtype=torch.float64) / 255
    share = counts.double() / counts.sum(1, keepdim=True)
    mean = share @ levels
    variance = (share * (levels - mean[:, None]) ** 2).sum(1)
    return mean.float(), variance.sqrt().clamp(min=1 / 255).float()
