"""Pictures laid out as class folders, under the names of their classes."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from trionet_nni.data.decode import FORMATS, SUFFIXES
from trionet_nni.errors import InputError, shown
from trionet_nni.files.atomic import naming

_LONGEST = 200  # bytes of a folder's name
_TOLD = 10_000  # pictures between two lines


@dataclass(frozen=True)
class Picture:
    """One picture of a packed data set.

    Attributes:
        label: name of its class, or its number; None: not known, and it is left out.
        data: the bytes of an image file.
    """

    part: str
    label: str | int | None
    data: bytes


def lay_out(pictures: Iterable[Picture], names: Sequence[str] | None, folder: Path) -> dict[str, int]:
    """Write `folder/PART/CLASS/NUMBER.suffix`, numbered in each part; returns how many each part has.

    Args:
        names: of classes that are numbers; None: their numbers are their names.

    Raises:
        InputError: a class has no name.
        OSError: a file cannot be written.
    """
    counts: dict[str, int] = {}
    labels: set[str | int] = set()
    for picture in pictures:
        if picture.label is None:
            continue
        labels.add(picture.label)
        number = counts.get(picture.part, 0)
        _write(folder / picture.part, picture, number)
        counts[picture.part] = number + 1
        if sum(counts.values()) % _TOLD == 0:
            print(f"{folder}: {sum(counts.values()):,} pictures", file=sys.stderr, flush=True)
    _name(folder, labels, names)
    return counts


def _write(folder: Path, picture: Picture, number: int) -> None:
    label = picture.label
    place = folder / (_plain(label) if isinstance(label, str) else str(label))
    path = place / f"{number:08}{_suffix(picture.data)}"
    with naming(path):
        place.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture.data)


def _suffix(data: bytes) -> str:
    """What Pillow takes the bytes for; a damaged picture is found later, as one in a folder is."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            suffix = f".{(image.format or '').lower()}"
    except Exception:  # as in `data.decode`
        return ".jpg"
    return suffix if suffix in SUFFIXES else ".png"  # the ending is a name only; the bytes decide


def _name(folder: Path, labels: set[str | int], names: Sequence[str] | None) -> None:
    """Folders of numbered classes get their names, or numbers of one width, which sort as numbers do."""
    numbers = sorted(label for label in labels if isinstance(label, int))
    if not numbers:
        return
    width = len(str(numbers[-1]))
    used: set[str] = set()
    for number in numbers:
        text = f"{number:0{width}}" if names is None else _plain(_named(number, names))
        name = text if text not in used else f"{text} {number}"  # ImageNet has two cranes
        used.add(name)
        for part in folder.iterdir():
            if (part / str(number)).is_dir():
                (part / str(number)).rename(part / f".{name}")
    for part in folder.iterdir():  # in a second round: the name of one class can be the number of another
        for place in part.glob(".*"):
            place.rename(part / place.name[1:])


def _named(number: int, names: Sequence[str]) -> str:
    if not 0 <= number < len(names):
        raise InputError(f"class {number}: found no name, allowed: 0 to {len(names) - 1}")
    return names[number]


def _plain(name: str) -> str:
    """A class's name as one of a folder."""
    text = name.replace("/", "_").replace("\0", "").strip().lstrip(".")
    if not text:
        raise InputError(f"class: found the name {shown(name)}, allowed: one with letters")
    return text.encode()[:_LONGEST].decode(errors="ignore")
