"""Augmentation of whole batches, with all randomness from one generator.

torchvision's transforms draw one set of parameters a call from the global generator; here every image of a
batch gets its own, and a batch is a function of its seed, which exact resume needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from trionet_nni.data.images import ImageSet
from trionet_nni.training.jitter import jitter

_AREA = (0.08, 1.0)  # of the image, as in the Inception recipe
_RATIO = (3 / 4, 4 / 3)  # width ÷ height


def shift(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Move every image by up to an eighth of its side both ways; what comes in is black.

    Shape: uint8 [B, C, S, S] → the same.
    """
    batch, _, side, _ = pixels.shape
    reach = max(1, side // 8)
    padded = F.pad(pixels, (reach,) * 4)
    start = torch.randint(0, 2 * reach + 1, (2, batch, 1), generator=generator)
    rows, columns = start + torch.arange(side)
    images = torch.arange(batch)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[images, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2).contiguous()


def flip(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the images, left to right."""
    chosen = torch.rand(len(pixels), generator=generator) < 0.5
    return torch.where(chosen[:, None, None, None], pixels.flip(-1), pixels)


def random_crops(batch: int, generator: torch.Generator) -> Tensor:
    """Crops (area, ratio, x, y) of the Inception recipe, float [B, 4]; see `data.stores`."""
    crops = torch.rand(batch, 4, generator=generator)
    crops[:, 0] = _AREA[0] + crops[:, 0] * (_AREA[1] - _AREA[0])
    low, high = math.log(_RATIO[0]), math.log(_RATIO[1])
    crops[:, 1] = (low + crops[:, 1] * (high - low)).exp()
    return crops


def _none(images: ImageSet, rows: Tensor, generator: torch.Generator) -> Tensor:
    return images.pixels(rows)


def _shift(images: ImageSet, rows: Tensor, generator: torch.Generator) -> Tensor:
    return shift(images.pixels(rows), generator)


def _shift_flip(images: ImageSet, rows: Tensor, generator: torch.Generator) -> Tensor:
    return flip(shift(images.pixels(rows), generator), generator)


def _resized_crop_flip(images: ImageSet, rows: Tensor, generator: torch.Generator) -> Tensor:
    return flip(images.pixels(rows, random_crops(len(rows), generator)), generator)


def _resized_crop_flip_jitter(images: ImageSet, rows: Tensor, generator: torch.Generator) -> Tensor:
    return jitter(_resized_crop_flip(images, rows, generator), generator)


AUGMENTATIONS: dict[str, Callable[[ImageSet, Tensor, torch.Generator], Tensor]] = {
    "none": _none,
    "shift": _shift,
    "shift-flip": _shift_flip,
    "resized-crop-flip": _resized_crop_flip,
    "resized-crop-flip-jitter": _resized_crop_flip_jitter,
}
