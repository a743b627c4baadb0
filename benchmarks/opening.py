"""Seconds and memory of opening a folder of very many images: the first time, and later.

`python -m benchmarks.many_files FOLDER` writes one. Each row is a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from trionet_nni.settings.project import DataConfig

Stage = Callable[[DataConfig, Path], object]


def _listed(config: DataConfig, cache: Path) -> object:
    from trionet_nni.data.registry import dataset

    return dataset(config).open(config)


def _whole(config: DataConfig, cache: Path) -> object:
    from trionet_nni.data import load_splits

    return load_splits(config, cache)


def _batches(config: DataConfig, cache: Path) -> object:
    """Ten batches by two workers, who get all that they have to know of the files."""
    from trionet_nni.data import load_splits
    from trionet_nni.training.batches import StepBatches, step_loader

    batches = StepBatches(load_splits(config, cache).train, 64, "resized-crop-flip", 0)
    return [len(labels) for _, labels in step_loader(batches, 0, 10, 2)]


STAGES: dict[str, Stage] = {
    "list and fingerprint": _listed,
    "open, first time": _whole,
    "open, looked at before": _whole,
    "open, then 10 batches by 2 workers": _batches,
}


def _measure(stage: Stage, config: DataConfig, cache: Path, end: Connection) -> None:
    import torch  # noqa: F401  seconds, which are not the images'

    import trionet_nni.data
    import trionet_nni.training.batches  # noqa: F401

    before, cores, started = _memory(), _cores(), time.perf_counter()
    found = stage(config, cache)
    end.send((time.perf_counter() - started, _cores() - cores, _memory() - before))
    del found


def _cores() -> float:
    """Seconds of all cores so far, those of ended children included."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _memory() -> float:
    """Bytes at the peak so far."""
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(stage: Stage, config: DataConfig, cache: Path) -> tuple[float, float, float]:
    """Seconds, seconds of all cores together, and bytes above those of an empty process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(stage, config, cache, theirs))
    process.start()
    theirs.close()
    found: tuple[float, float, float] = ours.recv()
    process.join()
    return found


def main() -> None:
    """Print one line for each stage."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=72, help="side of the decoded images (default: 72)")
    parser.add_argument("--cache", type=Path, help="kept afterwards; default: a new one, that is not")
    options = parser.parse_args()
    config = DataConfig(
        name="folder", root=str(options.folder), image_size=options.size, search_images=1000
    )
    cache = options.cache or Path(tempfile.mkdtemp(prefix="trionet-opening-"))
    try:
        for name, stage in STAGES.items():
            seconds, cores, memory = measure(stage, config, cache)
            print(f"| {name} | {seconds:.1f} | {cores:.1f} | {memory / 1e6:,.0f} |", flush=True)
    finally:
        if options.cache is None:
            shutil.rmtree(cache)


if __name__ == "__main__":
    main()
