"""A picture with its segments painted over it."""

from __future__ import annotations

import colorsys

import torch
from torch import Tensor

from trionet_nni.segmentation.panoptic.panoptic import Panoptic

_OPACITY = 0.55
_GOLDEN = 0.618034  # of the colour circle: neighbours in the list get colours far apart


def overlay(pixels: Tensor, panoptic: Panoptic) -> Tensor:
    """Segments as colours with a white border; void stays as it is.

    A class has a hue of its own; things of one class differ in brightness.

    Shape: uint8 [3, H, W] → the same.

    Raises:
        ValueError: picture and map differ in size.
    """
    if pixels.shape[1:] != panoptic.ids.shape:
        found, allowed = tuple(pixels.shape[1:]), tuple(panoptic.ids.shape)
        raise ValueError(f"pixels: found {found}, allowed: {allowed}, as the map")
    numbers = panoptic.numbers().cpu()
    colours = torch.tensor([(0.0, 0.0, 0.0), *_colours(panoptic)])[numbers].permute(2, 0, 1)
    painted = torch.lerp(pixels.cpu().float(), 255 * colours, torch.where(numbers > 0, _OPACITY, 0.0))
    painted[:, borders(numbers)] = 255.0
    return painted.round().to(torch.uint8)


def borders(numbers: Tensor) -> Tensor:
    """Pixels whose right or lower neighbour belongs to another segment, bool [H, W]."""
    border = torch.zeros(numbers.shape, dtype=torch.bool)
    border[:, :-1] |= numbers[:, :-1] != numbers[:, 1:]
    border[:-1] |= numbers[:-1] != numbers[1:]
    return border


def _colours(panoptic: Panoptic) -> list[tuple[float, float, float]]:
    """RGB from 0 to 1 of every segment."""
    seen: dict[int, int] = {}
    colours = []
    for segment in panoptic.segments:
        number = seen[segment.label] = seen.get(segment.label, -1) + 1
        value = 1 - 0.5 * (number * _GOLDEN % 1)
        colours.append(colorsys.hsv_to_rgb(segment.label * _GOLDEN % 1, 0.75, value))
    return colours
