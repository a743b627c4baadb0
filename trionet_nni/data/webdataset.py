"""WebDataset shards: tar files in which the files of one sample share their name up to the first dot."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path, PurePosixPath

from trionet_nni.data.decode import SUFFIXES
from trionet_nni.data.laid_out import Picture
from trionet_nni.data.packed import Format, part_of
from trionet_nni.data.source import Dataset
from trionet_nni.errors import InputError
from trionet_nni.files.text import read_text

_CLASSES = "classnames.txt"  # a name a line, beside the shards
_LARGEST = 10_000_000  # bytes of that list
_LABEL = "cls"

Sample = dict[str, bytes]  # ending → content


def unpack(root: Path, files: Sequence[Path]) -> tuple[Iterable[Picture], Sequence[str] | None]:
    """Pictures of the shards `*.tar`; `train`, `val` or `test` stands in their names or folders'.

    A sample has a picture (`.jpg`, `.png` …) and its class in `.cls`, a number or a name, or as `label` in
    `.json`. Nothing is unpickled.
    """
    listed = root / _CLASSES
    names = read_text(listed, "names of classes", _LARGEST).splitlines() if listed.is_file() else None
    return _pictures(root, files), names


def _pictures(root: Path, files: Sequence[Path]) -> Iterator[Picture]:
    for path in files:
        part = part_of(path, root)
        for key, sample in _samples(path):
            data = next((sample[end] for end in sample if f".{end.rpartition('.')[2]}" in SUFFIXES), None)
            if data is not None:
                yield Picture(part, _label(path, key, sample), data)


def _samples(path: Path) -> Iterator[tuple[str, Sample]]:
    """Samples in the order in which they lie in the shard.

    Raises:
        InputError: it is no tar file, or is cut short.
    """
    try:
        with tarfile.open(path, "r|*") as archive:
            entries = ((*_split(member.name), archive, member) for member in archive if member.isfile())
            for key, group in groupby(entries, key=lambda entry: entry[0]):
                yield key, {end: _content(archive, member) for _, end, archive, member in group}
    except (tarfile.TarError, OSError, EOFError) as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"{path}: shard: found no whole tar file ({reason}), allowed: one") from None


def _split(name: str) -> tuple[str, str]:
    place = PurePosixPath(name)
    stem, _, end = place.name.partition(".")
    return str(place.parent / stem), end.lower()


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return b"" if file is None else file.read()


def _label(path: Path, key: str, sample: Sample) -> str | int | None:
    try:
        if _LABEL in sample:
            return _known(sample[_LABEL].decode().strip())
        return _known(json.loads(sample["json"])["label"]) if "json" in sample else None
    except (ValueError, KeyError, TypeError) as error:
        found = f"found no class ({' '.join(str(error).split())[:80]})"
        raise InputError(f"{path}: {key}: {found}, allowed: .cls, or label in .json") from None


def _known(label: object) -> str | int | None:
    """A class; None where a test set keeps its classes to itself."""
    if not isinstance(label, (str, int)) or isinstance(label, bool) or label == "":
        raise ValueError(repr(label))
    number = int(label) if isinstance(label, int) or label.lstrip("-").isdecimal() else None
    return str(label) if number is None else number if number >= 0 else None


FORMAT = Format("webdataset", ".tar", unpack)
DATASETS = (Dataset("webdataset", FORMAT.open, classes=None, names=FORMAT.names),)
