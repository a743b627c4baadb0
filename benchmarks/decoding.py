"""How many JPEGs of 500 × 375 a core makes into training crops of 224, by several ways, interleaved.

    python -m benchmarks.decoding --photographs FOLDER

Photographs: windows of the JPEGs of a folder, quality 90. What is counted are
seconds of a core, not of the clock: others may use the machine. A ratio is a way's seconds by those of the
product's way; the differences are of its pixels from the product's, 0 to 255.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.io import ImageReadMode, decode_jpeg, read_file
from torchvision.transforms.v2 import functional as F

from benchmarks.ratio import Timings, arguments, prepare
from trionet_nni.data.decode import _box, _resized, read_image, to_rgb
from trionet_nni.data.images import ImageSet
from trionet_nni.data.seeding import seeded
from trionet_nni.data.stores import FileStore
from trionet_nni.training.augment import random_crops
from trionet_nni.training.batches import StepBatches

_SIZE = 224  # of a crop, pixels
_WINDOWS = 32  # files

Crop = Sequence[float]
Way = Callable[[Path, Crop], Tensor]


def product(path: Path, crop: Crop) -> Tensor:
    """What training does."""
    return read_image(path, _SIZE, crop=crop)


def whole(path: Path, crop: Crop) -> Tensor:
    """The same without scaled decoding."""
    with Image.open(path) as image:
        rgb = to_rgb(image)
    return _resized(rgb, _SIZE, _box(rgb.size, crop), 3)


def half(path: Path, crop: Crop) -> Tensor:
    """Decoded at half the size, whatever the crop needs."""
    with Image.open(path) as image:
        image.draft("RGB", (image.width // 2, image.height // 2))
        rgb = to_rgb(image)
    return _resized(rgb, _SIZE, _box(rgb.size, crop), 3)


def torchvision(path: Path, crop: Crop) -> Tensor:
    """torchvision's decoder, the nearest whole box, and its resize."""
    pixels = decode_jpeg(read_file(str(path)), ImageReadMode.RGB)
    left, top, right, bottom = map(round, _box((pixels.shape[2], pixels.shape[1]), crop))
    return F.resize(pixels[:, top:bottom, left:right], [_SIZE, _SIZE], antialias=True)


WAYS: dict[str, Way] = {
    "as training does, Pillow": product,
    "Pillow without scaled decoding": whole,
    "Pillow, at half the size": half,
    "torchvision.io and resize": torchvision,
}


def write_windows(photographs: Path, sides: tuple[int, int], folder: Path) -> list[Path]:
    """Windows of photographs, as JPEGs of a size."""
    paths = []
    sources = sorted(photographs.glob("*.jpg"))
    for number in range(_WINDOWS):
        with Image.open(sources[number % len(sources)]) as image:
            centre = (number / (_WINDOWS - 1), 0.5)
            window = ImageOps.fit(image.convert("RGB"), sides, Image.Resampling.BICUBIC, centering=centre)
        paths.append(folder / f"{number}.jpg")
        window.save(paths[-1], quality=90)
    return paths


def batch_of(paths: Sequence[Path]) -> Callable[[], object]:
    """A worker's whole work: a batch of all files, normalized."""
    count, ones = len(paths), torch.ones(3)
    images = ImageSet(FileStore(paths, _SIZE), torch.arange(count), torch.zeros(count), ones, ones)
    batches = StepBatches(images, count, "resized-crop-flip", 0)
    return lambda: batches[0]


def _compare(paths: Sequence[Path], rounds: int) -> tuple[Timings, dict[str, float]]:
    crops = random_crops(len(paths), seeded(0, "step", 0)).tolist()

    def run(way: Way) -> Callable[[], object]:
        return lambda: [way(path, crop) for path, crop in zip(paths, crops, strict=True)]

    ours = [product(path, crop).float() for path, crop in zip(paths, crops, strict=True)]
    differences = {
        name: sum(
            float((way(path, crop) - own).abs().mean())
            for path, crop, own in zip(paths, crops, ours, strict=True)
        )
        / len(paths)
        for name, way in WAYS.items()
    }
    sides = {name: run(way) for name, way in WAYS.items()}
    return _interleaved({**sides, "a worker's batch": batch_of(paths)}, rounds), differences


def _interleaved(sides: dict[str, Callable[[], object]], rounds: int) -> Timings:
    """Seconds of a core of every side in every round; the first round is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name in list(sides)[:: 1 if turn % 2 else -1]:
            start = time.process_time()
            sides[name]()
            seconds[name].append(time.process_time() - start)
    return Timings({name: tuple(values[1:]) for name, values in seconds.items()})


def _sides(text: str) -> tuple[int, int]:
    width, height = map(int, text.split("x"))
    return width, height


def main() -> None:
    """Print one line for each way and size."""
    parser: argparse.ArgumentParser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--photographs", type=Path, required=True, help="a folder of JPEGs")
    parser.add_argument("--sizes", type=_sides, nargs="+", default=[(500, 375), (1500, 1125)])
    options = parser.parse_args()
    if not any(options.photographs.glob("*.jpg")):
        parser.error(f"--photographs: found no *.jpg in {options.photographs}, allowed: a folder of JPEGs")
    prepare(options)
    for sides in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            paths = write_windows(options.photographs, sides, Path(folder))
            kilobytes = sum(path.stat().st_size for path in paths) / len(paths) / 1e3
            print(f"{sides[0]} × {sides[1]}, {kilobytes:.0f} kB a file")
            timings, differences = _compare(paths, options.rounds)
        base = next(iter(WAYS))
        for name in timings.seconds:
            row = timings.row(name, name, base)
            rate = len(paths) / timings.median(name)
            apart = f", pixels differ by {differences[name]:.2f}" if name in differences else ""
            spread = f"[{row.low:.2f} … {row.high:.2f}]"
            print(f"  {name:<32} {rate:6.0f} a second, ratio {row.ratio:.2f} {spread}{apart}", flush=True)


if __name__ == "__main__":
    main()
