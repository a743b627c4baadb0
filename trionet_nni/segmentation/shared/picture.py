"""Whole pictures and masks of any size, as segmentation reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trionet_nni.data.decode import FORMATS, check_file, check_size, to_rgb
from trionet_nni.errors import InputError

_MASK_MODES = ("P", "L")  # palette or grey: a pixel is its class


def open_picture(path: Path) -> Image.Image:
    """Decode a picture as RGB.

    Raises:
        InputError: the file is missing, cut short, or no picture.
    """
    return to_rgb(_decoded(path, "picture"))


def open_mask(path: Path) -> Image.Image:
    """Decode a mask of one byte a pixel.

    Raises:
        InputError: the file is missing, cut short, or not of one byte a pixel.
    """
    mask = _decoded(path, "mask")
    if mask.mode not in _MASK_MODES:
        raise InputError(f"{path}: mode: found {mask.mode}, allowed: {' or '.join(_MASK_MODES)} (one byte)")
    return mask


def size_of(path: Path) -> tuple[int, int]:
    """Width and height in pixels, read from the file's head alone.

    Raises:
        InputError: the file is missing or no picture.
    """
    try:
        check_file(path)
        with Image.open(path, formats=FORMATS) as image:
            check_size(image)
            return image.size
    except Exception as error:
        raise _unreadable(path, "picture", error) from None


def to_tensor(image: Image.Image) -> Tensor:
    """Pixels, uint8: [3, H, W] of an RGB picture, [H, W] of a mask."""
    pixels = torch.from_numpy(np.array(image))
    return pixels.permute(2, 0, 1).contiguous() if pixels.ndim == 3 else pixels


def _decoded(path: Path, kind: str) -> Image.Image:
    try:
        check_file(path)
        with Image.open(path, formats=FORMATS) as image:
            check_size(image)
            image.load()
            return image
    except Exception as error:  # Pillow's decoders raise OSError, ValueError, SyntaxError, struct.error …
        raise _unreadable(path, kind, error) from None


def _unreadable(path: Path, kind: str, error: Exception) -> InputError:
    if not path.exists():
        return InputError(f"{path}: {kind}: found no such file, allowed: a readable {kind}")
    reason = " ".join(str(error).split()).replace(str(path), "file")[:120] or type(error).__name__
    return InputError(f"{path}: {kind}: found none ({reason}), allowed: a readable {kind}")
