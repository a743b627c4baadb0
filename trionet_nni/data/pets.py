"""Oxford-IIIT Pet (Parkhi et al. 2012): 37 breeds, about 100 images of each to train on and to test."""

from __future__ import annotations

from pathlib import Path

from trionet_nni.data.listed import Labelled, listed_source
from trionet_nni.data.published import root_of
from trionet_nni.data.source import Dataset, Source
from trionet_nni.errors import InputError
from trionet_nni.files.text import read_text
from trionet_nni.settings.project import DataConfig

_LARGEST = 10_000_000  # bytes of a list


def open_pets(config: DataConfig) -> Source:
    """`root/oxford-iiit-pet/` as published: `annotations/trainval.txt`, `annotations/test.txt`, `images/`.

    torchvision's own class decodes every image to tell its label, so the lists are read here.

    Raises:
        InputError: a part is missing, or a list is not in the published form.
    """
    base = root_of(config) / "oxford-iiit-pet"
    names: dict[int, str] = {}
    train, test = (_part(base, part, names) for part in ("trainval", "test"))
    if sorted(names) != list(range(len(names))):
        raise InputError(f"{base}: classes: found {sorted(names)[:3]} …, allowed: from 1 on, none left out")
    return listed_source(
        config.name, base, config.image_size, [names[label] for label in sorted(names)], train, test
    )


def _part(base: Path, part: str, names: dict[int, str]) -> list[Labelled]:
    """Images of a list, with the breeds in their files' names added to `names`."""
    path = base / "annotations" / f"{part}.txt"
    items = []
    for number, line in enumerate(read_text(path, "a list of pets", _LARGEST).splitlines(), 1):
        words = line.split()
        if len(words) != 4 or not words[1].isdecimal() or words[1] == "0" or "/" in words[0]:
            found = f"line {number}: found {line[:60]!r}"
            raise InputError(f"{path}: {found}, allowed: an image's name, its class from 1 on, two numbers")
        label = int(words[1]) - 1
        names[label] = words[0].rpartition("_")[0].replace("_", " ")
        items.append((base / "images" / f"{words[0]}.jpg", label))
    return items


DATASETS = (Dataset("oxford-pets", open_pets, classes=37),)
