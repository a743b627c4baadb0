"""Pictures made for tests: coloured shapes on a textured background, as a folder in PASCAL VOC's format.

As a command: python -m tests.helpers.shapes FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tests.helpers.checkout import ROOT

CLASSES = ("background", "disc", "square", "triangle")
VOID = 255
_HUES = ((0, 0, 0), (200, 80, 70), (80, 180, 80), (80, 90, 200))  # red discs, green squares, blue triangles
_DETAIL = 4  # shapes are drawn so many times larger, for smooth borders in the picture

Pixels = NDArray[np.uint8]


def draw(size: int, random: np.random.Generator) -> tuple[Pixels, Pixels]:
    """A picture, [size, size, 3], and its classes, [size, size], void where a border runs through a pixel.

    A class is a form and a hue; backgrounds have any grey. Shapes lie over each other.
    """
    picture = _texture(size, random, random.uniform(40, 215) + random.uniform(-20, 20, 3))
    classes = np.zeros((size, size), np.uint8)
    for label in random.integers(1, len(CLASSES), random.integers(1, 4)):
        cover = _cover(int(label), size, random)
        shape = _texture(size, random, np.asarray(_HUES[label]) + random.uniform(-40, 40, 3))
        picture = picture * (1 - cover[..., None]) + shape * cover[..., None]
        classes[cover > 0.99] = label
        classes[(cover > 0.01) & (cover <= 0.99)] = VOID
    return picture.round().astype(np.uint8), classes


def _texture(size: int, random: np.random.Generator, colour: NDArray[np.float64]) -> NDArray[np.float64]:
    """A colour with coarse and fine noise."""
    coarse = random.normal(0, 18, (size // 8 + 1, size // 8 + 1, 3)).repeat(8, 0).repeat(8, 1)
    fine = random.normal(0, 8, (size, size, 1))
    return np.clip(colour + coarse[:size, :size] + fine, 0, 255)


def _cover(label: int, size: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Share of each pixel that a shape covers, [size, size]."""
    radius = random.uniform(0.2, 0.32) * size * _DETAIL
    centre = random.uniform(0.2, 0.8, 2) * size * _DETAIL
    canvas = Image.new("L", (size * _DETAIL, size * _DETAIL))
    pen = ImageDraw.Draw(canvas)
    if label == 1:
        pen.ellipse([*(centre - radius), *(centre + radius)], fill=255)
    else:
        corners = 4 if label == 2 else 3
        angles = random.uniform(0, 2 * np.pi) + np.arange(corners) * 2 * np.pi / corners
        points = centre + radius * 1.2 * np.stack((np.cos(angles), np.sin(angles)), 1)
        pen.polygon([tuple(point) for point in points], fill=255)
    drawn = np.asarray(canvas, np.float64) / 255
    return drawn.reshape(size, _DETAIL, size, _DETAIL).mean((1, 3))


def write_shapes(root: Path, *, train: int, validation: int, size: int = 96, seed: int = 0) -> None:
    """`root` in VOC's format with the lists `trainaug` and `val`; all masks in SegmentationClass."""
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for name, count in (("trainaug", train), ("val", validation)):
        names = [f"{name}_{number:04}" for number in range(count)]
        for entry in names:
            picture, classes = draw(size, random)
            Image.fromarray(picture).save(root / "JPEGImages" / f"{entry}.jpg", quality=92)
            Image.fromarray(classes).save(root / "SegmentationClass" / f"{entry}.png")
        (root / "ImageSets" / "Segmentation" / f"{name}.txt").write_text("\n".join(names) + "\n")


def settings(**changes: object) -> dict[str, object]:
    """Of a semantic run on them, six iterations long."""
    recipe = {
        "optimizer": "adam",
        "learning_rate": 2e-3,
        "weight_decay": 0.0,
        "batch_size": 4,
        "iterations": 6,
        "crop_size": 48,
    }
    return {
        "task": "semantic",
        "backbone": {"network": str(ROOT / "experiments" / "shapes-network.json"), "image_size": 32},
        "data": {"root": "data", "classes": list(CLASSES)},
        "head": {"channels": 8},
        "recipe": recipe,
        "evaluate_every": 3,
        "validation_pictures": 2,
        **changes,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=600)
    parser.add_argument("--validation", type=int, default=100)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    write_shapes(
        options.folder,
        train=options.train,
        validation=options.validation,
        size=options.size,
        seed=options.seed,
    )
