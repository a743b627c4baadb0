"""The division of a data set: disjoint, fixed by a seed, recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trionet_nni.data.cache import decoded, sampled_statistics
from trionet_nni.data.images import ImageSet, statistics
from trionet_nni.data.leaks import check_test_images
from trionet_nni.data.readable import readable
from trionet_nni.data.registry import dataset
from trionet_nni.data.seeding import seeded
from trionet_nni.data.source import Source
from trionet_nni.data.stores import FileStore, MemoryStore, Store
from trionet_nni.errors import InputError
from trionet_nni.settings.project import DataConfig

_Opened = tuple[Source, Store, Tensor]  # images, where their pixels are, their labels
_HELD: ContextVar[dict[str, _Opened] | None] = ContextVar("held", default=None)
_OF_THE_DIVISION = {"search_images", "recalibration_images", "recalibration", "train_images", "workers"}
IN_MEMORY = 64  # pixels: larger images are decoded from their files each time


@dataclass(frozen=True)
class Splits:
    """A divided data set.

    Attributes:
        train: trains the supernet.
        recalibration: gives a candidate its BN statistics: training images, or images held out for that.
        search: scores candidates.
        test: measures what was retrained; the search never reads it.
        full_train: all but the test images, for retraining.
        record: what was done, for cards and logs: sizes, seed, sha256 of the image numbers of each split.
    """

    train: ImageSet
    recalibration: ImageSet
    search: ImageSet
    test: ImageSet
    full_train: ImageSet
    classes: int
    channels: int
    image_size: int
    class_names: tuple[str, ...]
    record: dict[str, Any]


@contextmanager
def opened_once() -> Iterator[None]:
    """Inside, the same images are opened once, however often they are divided.

    For a command that opens them many times within minutes, in which nobody changes them: of a million
    files each time takes seconds.
    """
    token = _HELD.set({})
    try:
        yield
    finally:
        _HELD.reset(token)


def load_splits(config: DataConfig, cache: Path) -> Splits:
    """Read and divide the configured data set.

    Args:
        cache: folder for decoded images; it is made where it is missing.

    Raises:
        InputError: one line: the data are missing or damaged, too few for the configuration, or test images
            are among those to train on.
    """
    source, store, labels = _held(config, Path(cache))
    parts = divide(config, labels, source.train_count)
    check_test_images(source, store, parts["test"], Path(cache))
    if isinstance(store, MemoryStore):
        mean, std = statistics(store, parts["train"])
    else:
        mean, std = sampled_statistics(source, store, parts["train"], cache)
    held_out = config.recalibration == "held-out"
    together = ("train", "recalibration", "search") if held_out else ("train", "search")
    parts["full_train"] = torch.cat([parts[name] for name in together])
    sets = {name: ImageSet(store, rows, labels[rows], mean, std) for name, rows in parts.items()}
    return Splits(
        **sets,
        classes=len(source.class_names),
        channels=store.channels,
        image_size=store.image_size,
        class_names=source.class_names,
        record=_record(config, source, parts),
    )


def _on_demand(source: Source, config: DataConfig) -> bool:
    return config.image_size > IN_MEMORY and source.files is not None


def _held(config: DataConfig, cache: Path) -> _Opened:
    held = _HELD.get()
    if held is None:
        return _opened(config, cache)
    key = f"{cache} {config.model_dump_json(exclude=_OF_THE_DIVISION)}"
    if key not in held:
        held[key] = _opened(config, cache)
    return held[key]


def _opened(config: DataConfig, cache: Path) -> _Opened:
    source = dataset(config).open(config)
    if config.bad_images == "skip" or _on_demand(source, config):
        source = readable(source, config, cache)
    return source, *_open(source, config, cache)


def _open(source: Source, config: DataConfig, cache: Path) -> tuple[Store, Tensor]:
    if _on_demand(source, config):
        assert source.files is not None and source.labels is not None
        return FileStore(source.files, config.image_size), source.labels
    try:
        images, labels = decoded(source, config.image_size, cache)
    except InputError:
        readable(source, config, cache)  # counts those that cannot be read
        raise
    return MemoryStore(images), labels


def divide(config: DataConfig, labels: Tensor, train_count: int | None) -> dict[str, Tensor]:
    """Image numbers of the train, recalibration, search and test splits.

    Search images come first out of the shuffled pool, then the training images, the first of which are
    those for recalibration as well, unless they are held out: then they come between. Another
    `train_images` leaves search and test images as they were, and a smaller one takes a subset.

    Raises:
        InputError: the pool holds too few images.
    """
    if train_count is None:
        test = _fraction_of_each_class(labels, config.test_fraction, config.seed)
        chosen = torch.zeros(len(labels), dtype=torch.bool)
        chosen[test] = True
        pool = (~chosen).nonzero().flatten()
    else:
        pool, test = torch.arange(train_count), torch.arange(train_count, len(labels))
    pool = pool[torch.randperm(len(pool), generator=seeded(config.seed, "pool"))]
    searching, recalibrating = config.search_count(len(pool)), config.recalibration_count(len(pool))
    held_out = recalibrating if config.recalibration == "held-out" else 0
    _check_sizes(config, len(pool), searching, held_out)
    search, rest = pool[:searching], pool[searching:]
    train = rest[held_out:][: config.train_images]
    recalibration = (rest if held_out else train)[:recalibrating]
    return {"search": search, "recalibration": recalibration, "train": train, "test": test}


def settled(config: DataConfig, splits: Splits) -> DataConfig:
    """The division with numbers for what was left to a share or a rule: as it was made of these images.

    What is written down of a run has numbers, and its supernet's name too: the same images are the same
    supernet, however their division was said.
    """
    counts = {"search_images": len(splits.search), "recalibration_images": len(splits.recalibration)}
    open_ones = {name: n for name, n in counts.items() if not isinstance(getattr(config, name), int)}
    return config.model_copy(update=open_ones)


def _check_sizes(config: DataConfig, pool: int, searching: int, held_out: int) -> None:
    left = pool - searching - held_out
    if left < 1:
        held = f" and recalibration_images {held_out}, allowed: together" if held_out else ", allowed:"
        raise InputError(
            f"data.search_images: found {searching}{held} below {pool} (the images to train on)"
        )
    if config.train_images is not None and config.train_images > left:
        raise InputError(f"data.train_images: found {config.train_images}, allowed: up to {left}")


def _fraction_of_each_class(labels: Tensor, fraction: float, seed: int) -> Tensor:
    """At least one image of every class, and never all of them."""
    chosen = []
    for label in range(int(labels.max()) + 1):
        rows = (labels == label).nonzero().flatten()
        count = min(max(1, round(len(rows) * fraction)), len(rows) - 1)
        order = torch.randperm(len(rows), generator=seeded(seed, "test", label))
        chosen.append(rows[order[:count]])
    return torch.cat(chosen).sort().values


def _record(config: DataConfig, source: Source, parts: dict[str, Tensor]) -> dict[str, Any]:
    return {
        "name": config.name,
        "source": source.key,
        "seed": config.seed,
        "image_size": config.image_size,
        "splits": {
            name: {"images": len(rows), "sha256": hashlib.sha256(rows.numpy().tobytes()).hexdigest()}
            for name, rows in parts.items()
        },
    }
