"""One image file to one square uint8 tensor."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trionet_nni.data.image_files import in_threads
from trionet_nni.errors import InputError

# What `SUFFIXES` stand for. Of any other format Pillow would take the file's word: for EPS it starts gs.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "WEBP", "TIFF")
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".ppm", ".pgm", ".webp", ".tif", ".tiff"})
THREADS = 4  # Pillow decodes and resizes outside the interpreter lock

_MAX_PIXELS = 89_478_485  # a quarter of a gigabyte once it is RGB
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # refused below


def read_image(
    path: Path, size: int, *, crop: Sequence[float] | None = None, margin: float = 1.0, channels: int = 3
) -> Tensor:
    """Decode a file, uint8 [channels, size, size]; of an animation its first frame.

    Args:
        crop: (area, ratio, x, y) as in `data.stores`; the middle square when None.
        margin: side of the middle square ÷ shorter side of the image.
        channels: 3 for RGB, 1 for grey.

    Raises:
        InputError: the file is missing, cut short, enormous, or no image.
    """
    try:
        check_file(path)
        with Image.open(path, formats=FORMATS) as image:
            check_size(image)
            image.draft("RGB", (2 * size, 2 * size))  # JPEG: decode at a fraction of the size
            rgb = to_rgb(image)
    except Exception as error:  # Pillow's decoders raise OSError, ValueError, SyntaxError, struct.error …
        reason = " ".join(str(error).split()).replace(str(path), "file")[:120] or type(error).__name__
        raise InputError(f"{path}: image: found none ({reason}), allowed: a readable image") from None
    box = _middle(rgb.size, margin) if crop is None else _box(rgb.size, crop)
    return _resized(rgb, size, box, channels)


def middle_square(image: Image.Image, size: int, *, margin: float = 1.0, channels: int = 3) -> Tensor:
    """A decoded image as `read_image` gives a file, uint8 [channels, size, size].

    Raises:
        ValueError: it is empty or enormous, or its values have no known range.
    """
    check_size(image)
    rgb = to_rgb(image)
    return _resized(rgb, size, _middle(rgb.size, margin), channels)


def _resized(rgb: Image.Image, size: int, box: Box, channels: int) -> Tensor:
    if rgb.size != (size, size) or box != (0, 0, size, size):
        rgb = rgb.resize((size, size), Image.Resampling.BILINEAR, box)
    if channels == 1:
        return torch.from_numpy(np.array(rgb.convert("L")))[None]
    return torch.from_numpy(np.array(rgb)).permute(2, 0, 1).contiguous()


def read_images(paths: Sequence[Path], size: int) -> Tensor:
    """Decode many files, uint8 [N, 3, size, size].

    Raises:
        InputError: naming the first file that is no readable image.
    """
    out = torch.empty(len(paths), 3, size, size, dtype=torch.uint8)

    def read(numbers: Sequence[int]) -> None:
        for number in numbers:
            out[number] = read_image(paths[number], size)

    for _ in in_threads(read, range(len(paths)), 16, THREADS):
        pass
    return out


def check_file(path: Path) -> None:
    """Whether there is a file to open: a pipe that nobody writes to would be waited for.

    Raises:
        ValueError: there is none, or something else.
    """
    if not path.is_file():
        raise ValueError("no file" if path.exists() else "no file there")


def check_size(image: Image.Image) -> None:
    """Whether an image may be decoded: a small file can claim any number of pixels.

    Raises:
        ValueError: it has none, or too many.
    """
    pixels = image.width * image.height
    if not 1 <= pixels <= _MAX_PIXELS:
        raise ValueError(f"{image.width} × {image.height} pixels, not 1 to {_MAX_PIXELS:,}")


def to_rgb(image: Image.Image) -> Image.Image:
    """An image in RGB; transparency is left out, and of 16 bits a pixel the upper ones count.

    Raises:
        ValueError: its values have no known range.
    """
    if image.mode.startswith("I"):  # Pillow itself takes all above 255 for white
        values = np.asarray(image)
        return Image.fromarray((values >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("pixels that are floating-point numbers")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


def _middle(size: tuple[int, int], margin: float) -> Box:
    side = min(size) * margin
    left, top = (size[0] - side) / 2, (size[1] - side) / 2
    return left, top, left + side, top + side


def _box(size: tuple[int, int], crop: Sequence[float]) -> Box:
    area, ratio, x, y = crop
    pixels = area * size[0] * size[1]
    width, height = min((pixels * ratio) ** 0.5, size[0]), min((pixels / ratio) ** 0.5, size[1])
    left, top = (size[0] - width) * x, (size[1] - height) * y
    return left, top, left + width, top + height
