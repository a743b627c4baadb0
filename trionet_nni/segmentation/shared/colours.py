"""Colours of classes, and pictures with segments painted over them."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

OPACITY = 0.6  # of the colour over the picture


@cache
def palette() -> Tensor:
    """PASCAL VOC's colours, uint8 [256, 3]: a class's bits go round the channels, highest bit first."""
    classes = torch.arange(256)
    colours = torch.zeros(256, 3, dtype=torch.int64)
    for place in range(8):
        for channel in range(3):
            bit = classes >> (3 * place + channel) & 1
            colours[:, channel] |= bit << (7 - place)
    return colours.to(torch.uint8)


def painted(pixels: Tensor, classes: Tensor, plain: tuple[int, ...] = (0,)) -> Tensor:
    """A picture with its classes in colour.

    Args:
        pixels: uint8 [3, H, W].
        classes: int [H, W], 0 to 255.
        plain: classes that are left as they are.

    Returns:
        uint8 [3, H, W].
    """
    classes = classes.long().cpu()
    colours = palette()[classes].permute(2, 0, 1).float()
    mixed = (pixels.cpu().float() * (1 - OPACITY) + colours * OPACITY).round().to(torch.uint8)
    keep = torch.isin(classes, torch.tensor(plain))
    return torch.where(keep, pixels.cpu(), mixed)
