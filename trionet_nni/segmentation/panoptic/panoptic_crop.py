"""A square view of a picture and its segments: scaled, cropped, flipped, padded with void.

The random view is Panoptic-DeepLab's (section 4): scale 0.5 to 2, flip, crop. At scale 1 the longer side
fills the square, so that COCO's pictures of 640 pixels keep their size in a crop of 640.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trionet_nni.segmentation.panoptic.panoptic import VOID, Panoptic


@dataclass(frozen=True)
class View:
    """Which part of a picture a crop shows.

    Attributes:
        width, height: of the whole scaled picture in pixels.
        left, top: first column and row of the scaled picture that is shown.
        flip: whether what is shown is mirrored, left to right.
    """

    width: int
    height: int
    left: int = 0
    top: int = 0
    flip: bool = False


def whole_view(width: int, height: int, size: int, scale: float = 1.0) -> View:
    """The whole picture, its longer side `scale` × `size` pixels long."""
    ratio = scale * size / max(width, height)
    return View(max(1, round(width * ratio)), max(1, round(height * ratio)))


def random_view(
    width: int,
    height: int,
    size: int,
    generator: torch.Generator,
    scales: tuple[float, float] = (0.5, 2.0),
    flip: bool = True,
) -> View:
    """A view of random scale and place; half of the views are mirrored where `flip` is set."""
    share, x, y, mirror = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
    whole = whole_view(width, height, size, scales[0] + share * (scales[1] - scales[0]))
    left = int(x * (max(0, whole.width - size) + 1))
    top = int(y * (max(0, whole.height - size) + 1))
    return View(whole.width, whole.height, left, top, flip and mirror < 0.5)


def crop_pixels(image: Image.Image, view: View, size: int, fill: tuple[int, ...]) -> Tensor:
    """Show a view in a square, uint8 [3, size, size].

    Args:
        size: side of the square in pixels.
        fill: colour of what the picture does not fill, at the right and the bottom.
    """
    pixels = torch.tensor(fill, dtype=torch.uint8)[:, None, None].repeat(1, size, size)
    width, height = _shown(view, size)
    shown = _resized(image, view, width, height)
    pixels[:, :height, :width] = shown.flip(-1) if view.flip else shown
    return pixels


def crop_segments(panoptic: Panoptic, view: View, size: int) -> Panoptic:
    """Show the segments of the same view; what the picture does not fill is void. [size, size]."""
    ids = torch.full((size, size), VOID, dtype=panoptic.ids.dtype)
    width, height = _shown(view, size)
    shown = _nearest(panoptic.ids, view, width, height)
    ids[:height, :width] = shown.flip(-1) if view.flip else shown
    left_over = set(torch.unique(ids).tolist())
    return Panoptic(ids, tuple(s for s in panoptic.segments if s.id in left_over))


def _shown(view: View, size: int) -> tuple[int, int]:
    """Width and height of the part of the square that the picture fills."""
    return min(size, view.width - view.left), min(size, view.height - view.top)


def _resized(image: Image.Image, view: View, width: int, height: int) -> Tensor:
    """The shown part, scaled with a filter over all pixels it covers, uint8 [3, height, width]."""
    x, y = image.width / view.width, image.height / view.height
    box = (view.left * x, view.top * y, (view.left + width) * x, (view.top + height) * y)
    box = (box[0], box[1], min(box[2], image.width), min(box[3], image.height))  # rounding
    shown = image.resize((width, height), Image.Resampling.BILINEAR, box)
    return torch.from_numpy(np.array(shown)).permute(2, 0, 1)


def _nearest(ids: Tensor, view: View, width: int, height: int) -> Tensor:
    """The ids under the middle of every shown pixel."""
    rows, columns = (
        ((torch.arange(length) + start + 0.5) * (source / whole)).long().clamp_(max=source - 1)
        for length, start, source, whole in (
            (height, view.top, ids.shape[0], view.height),
            (width, view.left, ids.shape[1], view.width),
        )
    )
    return ids[rows[:, None], columns]
