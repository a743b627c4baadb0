"""Which files of a data set are images that can be read, found out before anything is trained on them."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import Tensor

from trionet_nni.data.decode import read_images
from trionet_nni.data.looked_at import Bad, unreadable
from trionet_nni.data.source import Source
from trionet_nni.errors import InputError
from trionet_nni.files.atomic import write_json
from trionet_nni.files.locks import lock
from trionet_nni.files.text import read_json
from trionet_nni.settings.project import DataConfig

_NAMED = 3


def readable(source: Source, config: DataConfig, cache: Path) -> Source:
    """A source of files that can all be read: the same one, or one without those that cannot.

    The first time every file is decoded, later only those that have changed; what was found is kept beside
    the decoded images.

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
    known = _known(path, trusted=trusted)
    if known is not None:
        return known
    with lock(Path(cache) / "looked-at.lock"):  # of the processes that train together one looks
        known = _known(path, trusted=trusted)
        if known is None:
            known = unreadable(source.files, Path(cache))
            write_json(path, known)
    return known


def _known(path: Path, *, trusted: bool) -> Bad | None:
    try:
        known = {int(number): str(why) for number, why in dict(read_json(path, "a list")).items()}
    except (ValueError, TypeError):  # not there, or damaged
        return None
    return known if trusted or not known else None


def _warn(source: Source, bad: Bad) -> None:
    assert source.files is not None
    names = ", ".join(str(source.files[number]) for number in list(bad)[:_NAMED])
    more = "" if len(bad) <= _NAMED else " …"
    text = f"{len(bad):,} of {len(source.files):,} images cannot be read and are left out: {names}{more}"
    print(f"warning: {InputError(text)}", file=sys.stderr, flush=True)  # a name may hold a line break


def _without(source: Source, bad: Bad, size: int) -> Source:
    assert source.files is not None and source.labels is not None
    kept = np.delete(np.arange(len(source.files)), list(bad))
    files, labels = source.files.take(kept), source.labels[kept]
    count = source.train_count
    train = None if count is None else int((kept < count).sum())
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
