"""Which files of a data set are images that can be read, found out before anything is trained on them."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from trionet_nni.data.decode import THREADS, read_image, read_images
from trionet_nni.data.source import Source
from trionet_nni.errors import InputError
from trionet_nni.files.atomic import write_json
from trionet_nni.files.text import read_json
from trionet_nni.settings.project import DataConfig

_PROBE = 8  # pixels: JPEGs are decoded at an eighth of their size, and still to their last byte
_NAMED = 3

Bad = dict[int, str]  # number of an image → why it cannot be read


def readable(source: Source, config: DataConfig, cache: Path) -> Source:
    """A source of files that can all be read: the same one, or one without those that cannot.

    The first time every file is decoded; what was found is kept beside the decoded images.

    Raises:
        InputError: there are such files and `data.bad_images` is not "skip", or nothing is left of a class.
    """
    if source.files is None:
        return source
    bad = _found(source, cache, trusted=config.bad_images == "skip")
    if not bad:
        return source
    if config.bad_images == "refuse":
        raise refusal(list(bad.values()), len(source.files))
    _warn(source, bad)
    return _without(source, bad, config.image_size)


def refusal(reasons: Sequence[str], images: int) -> InputError:
    """One line about images that cannot be read: the first, and how many there are."""
    if len(reasons) == 1:
        return InputError(reasons[0])
    count = f"{len(reasons):,} of {images:,} images cannot be read; data.bad_images: skip leaves them out"
    return InputError(f"{reasons[0]} ({count})")


def _found(source: Source, cache: Path, *, trusted: bool) -> Bad:
    """What cannot be read; a list of before counts where it is trusted, or says that all can be."""
    assert source.files is not None
    path = Path(cache) / f"unreadable-{hashlib.sha256(source.key.encode()).hexdigest()[:16]}.json"
    try:
        known = {int(number): str(why) for number, why in dict(read_json(path, "a list")).items()}
        if trusted or not known:
            return known
    except (ValueError, TypeError):  # not there, or damaged
        pass
    bad = _unreadable(source.files)
    write_json(path, bad)
    return bad


def _unreadable(files: Sequence[Path]) -> Bad:
    with ThreadPoolExecutor(THREADS) as pool:
        return {number: why for number, why in enumerate(pool.map(_why, files)) if why is not None}


def _why(path: Path) -> str | None:
    try:
        read_image(path, _PROBE)
    except InputError as error:
        return str(error)
    return None


def _warn(source: Source, bad: Bad) -> None:
    assert source.files is not None
    names = ", ".join(str(source.files[number]) for number in list(bad)[:_NAMED])
    more = "" if len(bad) <= _NAMED else " …"
    text = f"{len(bad):,} of {len(source.files):,} images cannot be read and are left out: {names}{more}"
    print(f"warning: {InputError(text)}", file=sys.stderr, flush=True)  # a name may hold a line break


def _without(source: Source, bad: Bad, size: int) -> Source:
    assert source.files is not None and source.labels is not None
    kept = [number for number in range(len(source.files)) if number not in bad]
    files, labels = tuple(source.files[number] for number in kept), source.labels[kept]
    count = source.train_count
    train = None if count is None else sum(number < count for number in kept)
    _check_classes(source, labels[:train])
    digest = hashlib.sha256(str(sorted(bad)).encode()).hexdigest()[:16]
    return replace(
        source,
        key=f"{source.key} without {digest}",
        read=lambda: (read_images(files, size), labels),
        train_count=train,
        files=files,
        labels=labels,
    )


def _check_classes(source: Source, labels: Tensor) -> None:
    left = set(labels.tolist())
    for label, name in enumerate(source.class_names):
        if label not in left:
            raise InputError(f"data.bad_images: found no readable image of {name!r}, allowed: one or more")
