"""What Panoptic-DeepLab is trained towards, made from the segments of a crop (section 3.2).

A semantic map; a heat map with a Gaussian of 8 pixels at every instance's centre of mass; and for every
pixel of an instance the way to that centre. Small instances weigh three times in the semantic loss.

Crowd regions and void train nothing. A crowd's outline is rough, and its pixels taken for a thing would all
go to the things beside it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from trionet_nni.segmentation.panoptic.panoptic import IGNORE, Panoptic

SIGMA = 8.0  # pixels
SMALL_AREA = 64 * 64  # pixels
SMALL_WEIGHT = 3.0


class Targets(NamedTuple):
    """Training targets of one crop; of a batch with one more dimension in front.

    Attributes:
        semantic: label of every pixel, 255 for crowds and void, int64 [H, W].
        semantic_weight: of every pixel in the semantic loss, float32 [H, W].
        centre: heat map, 0 to 1, float32 [H, W].
        centre_weight: 1 where the heat map is known, 0 in crowds and void, float32 [H, W].
        offset: (rows, columns) in pixels to the centre of the pixel's instance, float32 [2, H, W].
        offset_weight: 1 on instances, 0 elsewhere, float32 [H, W].
    """

    semantic: Tensor
    semantic_weight: Tensor
    centre: Tensor
    centre_weight: Tensor
    offset: Tensor
    offset_weight: Tensor


def panoptic_targets(panoptic: Panoptic, things: Tensor, sigma: float = SIGMA) -> Targets:
    """Targets of a crop; centres and areas are those of the part of an instance that the crop shows.

    Args:
        things: whether a label is a thing, bool [N].
        sigma: of a centre's Gaussian, in pixels.
    """
    numbers = panoptic.numbers()
    instance, small = _instances(panoptic, numbers, things)
    crowd = torch.tensor([True, *(segment.crowd for segment in panoptic.segments)])  # void, segments
    labels = torch.tensor([IGNORE, *(IGNORE if s.crowd else s.label for s in panoptic.segments)])
    centres = _centres(numbers, len(panoptic.segments) + 1)
    grid = _grid(*numbers.shape)
    on_instance = instance[numbers]
    return Targets(
        semantic=labels[numbers],
        semantic_weight=torch.where(small[numbers], SMALL_WEIGHT, 1.0),
        centre=heat_map(centres[instance], numbers.shape[0], numbers.shape[1], sigma),
        centre_weight=(~crowd)[numbers].float(),
        offset=(centres[numbers].permute(2, 0, 1) - grid) * on_instance,
        offset_weight=on_instance.float(),
    )


def heat_map(centres: Tensor, height: int, width: int, sigma: float = SIGMA) -> Tensor:
    """The largest of the Gaussians around the centres, cut off at three sigma, float32 [H, W].

    Args:
        centres: (row, column) in pixels, [K, 2]; a Gaussian's peak of 1 is on the nearest pixel.
    """
    heat = torch.zeros(height, width)
    reach = int(3 * sigma)
    line = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    patch = line[:, None] * line
    for row, column in centres.round().long().tolist():
        rows, patch_rows = _overlap(row, reach, height)
        columns, patch_columns = _overlap(column, reach, width)
        area = heat[rows, columns]
        torch.maximum(area, patch[patch_rows, patch_columns], out=area)
    return heat


def _overlap(middle: int, reach: int, length: int) -> tuple[slice, slice]:
    """What a line of positions and one of `2 reach + 1` around `middle` share: slices of either."""
    start, stop = max(0, middle - reach), min(length, middle + reach + 1)
    return slice(start, stop), slice(start - middle + reach, stop - middle + reach)


def _instances(panoptic: Panoptic, numbers: Tensor, things: Tensor) -> tuple[Tensor, Tensor]:
    """Of void and every segment: whether it is one thing, and whether it is a small one. bool [S + 1]."""
    flags = [bool(things[segment.label]) and not segment.crowd for segment in panoptic.segments]
    instance = torch.tensor([False, *flags])
    area = torch.bincount(numbers.flatten(), minlength=len(flags) + 1)
    return instance, instance & (area < SMALL_AREA)


def _centres(numbers: Tensor, count: int) -> Tensor:
    """Mean (row, column) of every number's pixels, float32 [count, 2]."""
    flat, grid = numbers.flatten(), _grid(*numbers.shape).flatten(1).double()
    area = torch.bincount(flat, minlength=count).clamp(min=1)
    sums = [torch.bincount(flat, weights=line, minlength=count) for line in grid]
    return (torch.stack(sums, 1) / area[:, None]).float()


def _grid(height: int, width: int) -> Tensor:
    """(row, column) of every pixel, float32 [2, H, W]."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack((rows, columns)).float()
