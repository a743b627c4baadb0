"""Where pixels come from: a tensor in memory, or image files decoded when they are asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from trionet_nni.data.decode import read_image

# Crops: float [B, 4], one row (area, ratio, x, y) an image. area: share of the image's, in (0, 1];
# ratio: width ÷ height; x, y in [0, 1]: where it lies between the left / top and the right / bottom edge.


# Of a picture that is decoded on demand, what is seen without a crop: of 256 pixels the middle 224.
MARGIN = 0.875


class Store(ABC):
    """All images of a data set, addressed by number, as square uint8 images.

    Attributes:
        margin: side of the middle square that is seen without a crop ÷ shorter side of the picture.
    """

    channels: int
    image_size: int
    margin: float = 1.0

    @abstractmethod
    def read(self, indices: Tensor, crops: Tensor | None = None) -> Tensor:
        """Pixels, uint8 [B, C, S, S]; with `crops`, each image's crop resized to S × S."""


class MemoryStore(Store):
    """Images held as one uint8 tensor [N, C, S, S]."""

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels
        self.channels, self.image_size = int(pixels.shape[1]), int(pixels.shape[-1])

    def read(self, indices: Tensor, crops: Tensor | None = None) -> Tensor:
        """See `Store.read`; crops of the whole batch are one bilinear sampling."""
        chosen = self.pixels[indices]
        return chosen if crops is None else _crop(chosen, crops)


class FileStore(Store):
    """Image files, decoded when read: data that does not fit into memory.

    Args:
        channels: 3 for RGB, 1 for grey.
    """

    def __init__(
        self, paths: Sequence[Path], image_size: int, *, margin: float = MARGIN, channels: int = 3
    ) -> None:
        self.paths, self.image_size, self.margin, self.channels = paths, image_size, margin, channels

    def read(self, indices: Tensor, crops: Tensor | None = None) -> Tensor:
        """See `Store.read`. Without crops: the middle square of the image, as `margin` says.

        Raises:
            InputError: a file is no readable image.
        """
        rows = [None] * len(indices) if crops is None else crops.tolist()
        images = [
            read_image(
                self.paths[index], self.image_size, crop=crop, margin=self.margin, channels=self.channels
            )
            for index, crop in zip(indices.tolist(), rows, strict=True)
        ]
        return torch.stack(images)


def _crop(pixels: Tensor, crops: Tensor) -> Tensor:
    area, ratio, x, y = crops.unbind(1)
    width = (area * ratio).sqrt().clamp(max=1)
    height = (area / ratio).sqrt().clamp(max=1)
    theta = torch.zeros(len(pixels), 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = width, height
    theta[:, 0, 2], theta[:, 1, 2] = (1 - width) * (2 * x - 1), (1 - height) * (2 * y - 1)
    grid = F.affine_grid(theta, list(pixels.shape), align_corners=False)
    out = F.grid_sample(pixels.float(), grid, padding_mode="border", align_corners=False)
    return out.round_().clamp_(0, 255).to(torch.uint8)
