"""Caltech-UCSD Birds: 200 classes; 2010 (Welinder et al., the paper's) and 2011 (Wah et al.)."""

from __future__ import annotations

from pathlib import Path

from trionet_nni.data.listed import Labelled, listed_source
from trionet_nni.data.published import root_of
from trionet_nni.data.source import Dataset, Source
from trionet_nni.errors import InputError
from trionet_nni.settings.project import DataConfig


def open_cub2010(config: DataConfig) -> Source:
    """`root/images/<class>/*` with `root/lists/{classes,train,test}.txt`: 3,000 + 3,033 images.

    Raises:
        InputError: a list is missing or names an unknown class.
    """
    root = root_of(config)
    names = [line.strip() for line in _lines(root / "lists" / "classes.txt")]
    numbers = {name: number for number, name in enumerate(names)}

    def part(file: Path) -> list[Labelled]:
        found = []
        for number, line in enumerate(_lines(file), 1):
            name = line.strip().partition("/")[0]
            if name not in numbers:
                raise InputError(
                    f"{file}: line {number}: found class {name!r}, allowed: those of classes.txt"
                )
            found.append((root / "images" / line.strip(), numbers[name]))
        return found

    train, test = part(root / "lists" / "train.txt"), part(root / "lists" / "test.txt")
    return listed_source(config.name, root, config.image_size, names, train, test)


def open_cub2011(config: DataConfig) -> Source:
    """`root/CUB_200_2011/` as published: 5,994 + 5,794 images.

    Raises:
        InputError: a list is missing, or the lists do not fit each other.
    """
    root = root_of(config) / "CUB_200_2011"
    names = _table(root / "classes.txt")
    images = _table(root / "images.txt")
    labels = _table(root / "image_class_labels.txt")
    training = _table(root / "train_test_split.txt")
    order = {number: place for place, number in enumerate(names)}
    parts: dict[str, list[Labelled]] = {"1": [], "0": []}
    for number, path in images.items():
        label, side = labels.get(number), training.get(number)
        if label not in order or side not in parts:
            raise InputError(
                f"{root / 'images.txt'}: image {number}: found class {label!r} and split {side!r}, "
                "allowed: a class of classes.txt and 0 or 1"
            )
        parts[side].append((root / "images" / path, order[label]))
    return listed_source(config.name, root, config.image_size, list(names.values()), parts["1"], parts["0"])


def _table(path: Path) -> dict[str, str]:
    """Lines "number text" of a file."""
    return {key: value for key, _, value in (line.partition(" ") for line in _lines(path))}


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason}), allowed: the data set's own list") from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise InputError(f"{path}: found an empty list, allowed: the data set's own")
    return lines


DATASETS = (
    Dataset("cub-2010", open_cub2010, classes=200),
    Dataset("cub-2011", open_cub2011, classes=200),
)
