"""How long training steps wait for their data: real JPEG files through the project's own data path."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from trionet_nni.data import load_splits
from trionet_nni.settings.project import DataConfig
from trionet_nni.training.batches import Batch, StepBatches, step_loader

_SIDES = (500, 375)  # of a usual ImageNet photograph, pixels


def waiting_shares(
    size: int, batch: int, steps: int, train: Callable[[Batch], object]
) -> tuple[list[float], list[float]]:
    """Seconds of waiting and of every whole step, workers as the experiment's default.

    The first two steps are left out: they hold the start of the workers.
    """
    with tempfile.TemporaryDirectory() as folder:
        _write_photographs(Path(folder), images=max(64, 2 * batch))
        config = DataConfig(
            name="folder", root=folder, image_size=size, search_images=4, recalibration_images=4
        )
        splits = load_splits(config, Path(folder) / "cache")
        batches = StepBatches(splits.train, batch, "resized-crop-flip", 0)
        loader = iter(step_loader(batches, 0, steps + 2, config.workers))
        waits, wholes = [], []
        for _ in itertools.repeat(None, steps + 2):
            start = time.perf_counter()
            images = next(loader)
            got = time.perf_counter()
            train(images)
            waits.append(got - start)
            wholes.append(time.perf_counter() - start)
        del loader
    return waits[2:], wholes[2:]


def _write_photographs(root: Path, images: int) -> None:
    """Smooth random pictures, which compress about as photographs do."""
    random = np.random.default_rng(0)
    for number in range(images):
        folder = root / "train" / f"class{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(random.integers(0, 256, (48, 64, 3), dtype=np.uint8))
        coarse.resize(_SIDES, Image.Resampling.BICUBIC).save(folder / f"{number}.jpg", quality=90)
