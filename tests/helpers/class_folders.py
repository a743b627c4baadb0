"""Class folders of pictures made for tests: each class is a polygon with more corners than the one before.

As a command, without the rest of the tests:
    python tests/helpers/class_folders.py FOLDER --side 32 --mode RGB --count 60 triangle square pentagon
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

_FIRST = 3  # corners of the first class's polygon
_TESTED = 4  # every fourth picture is a test picture


def write_class_folders(folder: Path, side: int, mode: str, count: int, classes: list[str]) -> None:
    """Write `folder/train/<class>/*.png` and `folder/test/<class>/*.png`.

    Args:
        side: of a picture, pixels.
        mode: PIL's, "RGB" or "L".
        count: pictures of each class, test pictures included.
    """
    random = np.random.default_rng(0)
    for corners, name in enumerate(classes, _FIRST):
        for number in range(count):
            path = folder / ("test" if number % _TESTED == 0 else "train") / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            _picture(corners, side, random).convert(mode).save(path)


def _picture(corners: int, side: int, random: np.random.Generator) -> Image.Image:
    """A polygon of any bright colour, somewhere on noise."""
    picture = Image.fromarray(random.integers(0, 90, (side, side, 3), np.uint8))
    radius = side * random.uniform(0.25, 0.4)
    x, y = random.uniform(radius, side - radius, 2)
    colour = tuple(map(int, random.integers(120, 256, 3)))
    turn = int(random.integers(0, 360))
    ImageDraw.Draw(picture).regular_polygon((x, y, radius), corners, rotation=turn, fill=colour)
    return picture


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--mode", default="RGB")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("classes", nargs="+")
    given = parser.parse_args()
    write_class_folders(given.folder, given.side, given.mode, given.count, given.classes)
