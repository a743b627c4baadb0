"""From class map, heat map and offsets to segments (Panoptic-DeepLab, section 3.2).

Peaks of the heat map are the instances. A pixel of a thing belongs to the centre nearest to where its
offset points. An instance has the class that most of its pixels have; what is left is stuff, where there is
enough of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from trionet_nni.segmentation.panoptic.panoptic import Panoptic, Segment

_CHUNK = 1 << 16  # pixels whose distances to all centres are in memory at a time
_SPREAD = 0x9E3779  # odd, so that n → n · spread mod 2²⁴ gives every segment another, visible colour


@dataclass(frozen=True)
class Grouping:
    """The numbers that section 4 of the paper sets for COCO.

    Attributes:
        threshold: smallest heat of a centre.
        window: side of the square in which a centre is the hottest position, odd.
        centres: instances of one picture at most.
        stuff_area: smallest area of a kind of stuff, in pixels.
    """

    threshold: float = 0.1
    window: int = 7
    centres: int = 200
    stuff_area: int = 4096


COCO = Grouping()


def group(
    semantic: Tensor,
    centre: Tensor,
    offset: Tensor,
    things: Tensor,
    rule: Grouping = COCO,
) -> Panoptic:
    """Segments of one picture.

    Args:
        semantic: label of every pixel, int64 [H, W].
        centre: heat map, [H', W'], of any size: the picture's, or that of the network's smaller input.
        offset: (rows, columns) in pixels to the centre, [2, H, W].
        things: whether a label is a thing, bool [N].
    """
    ratio = torch.tensor(semantic.shape) / torch.tensor(centre.shape)
    peaks = (find_centres(centre, rule) + 0.5) * ratio.to(centre.device) - 0.5
    instance = assign(offset, peaks, things[semantic])
    return merge(semantic, instance, things, rule.stuff_area)


def find_centres(centre: Tensor, rule: Grouping = COCO) -> Tensor:
    """Hottest positions of their surroundings, hottest first, int64 [K, 2] as (row, column)."""
    hottest = F.max_pool2d(centre[None, None], rule.window, 1, rule.window // 2)[0, 0]
    peak = (centre == hottest) & (centre > rule.threshold)
    positions = peak.nonzero()
    order = centre[peak].argsort(descending=True, stable=True)
    return positions[order[: rule.centres]]


def assign(offset: Tensor, centres: Tensor, mask: Tensor) -> Tensor:
    """Number of the centre nearest to where a pixel points, from 1; 0 outside the mask. int64 [H, W]."""
    instance = torch.zeros(mask.shape, dtype=torch.int64, device=mask.device)
    if len(centres):
        pixels = mask.nonzero()
        target = pixels + offset[:, mask].T
        nearest = [torch.cdist(part, centres.to(part)).argmin(1) for part in torch.split(target, _CHUNK)]
        instance[mask] = torch.cat(nearest) + 1
    return instance


def merge(semantic: Tensor, instance: Tensor, things: Tensor, stuff_area: int) -> Panoptic:
    """One map from classes and instances; pixels of things without an instance are void.

    Args:
        instance: numbers from 1, 0 for none; only on pixels of things. int64 [H, W].
    """
    classes, count = len(things), int(instance.max()) + 1
    votes = torch.bincount((instance * classes + semantic).flatten(), minlength=classes * count)
    votes = votes.reshape(count, classes)
    found = torch.zeros(count + classes, dtype=torch.bool, device=votes.device)  # instances, then stuff
    found[1:count] = votes[1:].any(1)
    found[count:] = (votes[0] >= max(1, stuff_area)) & ~things
    numbers = torch.where(found, found.cumsum(0), 0)
    spread = numbers * _SPREAD % (1 << 24)
    ids = spread[torch.where(instance > 0, instance, count + semantic)]
    labels = torch.cat((votes.argmax(1), torch.arange(classes, device=votes.device)))
    segments = zip(spread[found].tolist(), labels[found].tolist(), strict=True)
    return Panoptic(ids.int(), tuple(Segment(number, label) for number, label in segments))
