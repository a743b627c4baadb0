"""The JSON half of COCO's panoptic format, every field checked before it is used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from trionet_nni.errors import InputError
from trionet_nni.files.text import parse_json
from trionet_nni.segmentation.panoptic.panoptic import IGNORE, Categories, Category, Segment

_IDS = 256**3  # what fits into the three bytes of a pixel
_KINDS: dict[type, str] = {int: "a whole number", str: "a text", list: "a list"}


class Names(NamedTuple):
    """A picture's file name and size in pixels."""

    file: str
    width: int
    height: int


def read_document(path: Path) -> dict[str, object]:
    """Read the file as one JSON object.

    Raises:
        InputError: it cannot be read, or is none.
    """
    try:
        document = parse_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:  # not JSON, or not UTF-8
        raise InputError(f"{path}: found no JSON ({error}), allowed: COCO's panoptic format") from None
    if not isinstance(document, dict):
        raise InputError(f"{path}: found a {type(document).__name__}, allowed: a JSON object")
    return document


def read_categories(document: dict[str, object], path: Path) -> Categories:
    """The list `categories`.

    Raises:
        InputError: it is empty, too long for labels of one byte, or an entry cannot be used.
    """
    categories: dict[int, Category] = {}
    for where, entry in _entries(document, "categories", f"{path}: "):
        number = _get(entry, "id", int, where)
        if number in categories:
            raise InputError(f"{where}id: found {number} a second time, allowed: each id once")
        is_thing = _flag(entry, "isthing", where)
        categories[number] = Category(number, _get(entry, "name", str, where), is_thing)
    if not 1 <= len(categories) <= IGNORE:
        raise InputError(f"{path}: categories: found {len(categories)}, allowed: 1 to {IGNORE}")
    return Categories(categories.values())


def read_names(document: dict[str, object], path: Path) -> dict[int, Names]:
    """The list `images`: image id → file name and size.

    Raises:
        InputError: an entry cannot be used.
    """
    names: dict[int, Names] = {}
    for where, entry in _entries(document, "images", f"{path}: "):
        number = _get(entry, "id", int, where)
        if number in names:
            raise InputError(f"{where}id: found {number} a second time, allowed: each id once")
        width, height = (_get(entry, field, int, where) for field in ("width", "height"))
        if min(width, height) < 1:
            raise InputError(f"{where}width, height: found {width} × {height}, allowed: 1 × 1 or more")
        names[number] = Names(_file_name(entry, where), width, height)
    return names


def read_segments(
    document: dict[str, object], path: Path, names: dict[int, Names], categories: Categories
) -> dict[int, tuple[str, tuple[Segment, ...]]]:
    """The list `annotations`: image id → name of the PNG, segments.

    Raises:
        InputError: it is empty, or an entry cannot be used.
    """
    annotations: dict[int, tuple[str, tuple[Segment, ...]]] = {}
    for where, entry in _entries(document, "annotations", f"{path}: "):
        number = _get(entry, "image_id", int, where)
        if number not in names:
            raise InputError(f"{where}image_id: found {number}, allowed: an id of `images`")
        if number in annotations:
            raise InputError(f"{where}image_id: found {number} a second time, allowed: each image once")
        annotations[number] = _file_name(entry, where), _segments(entry, where, categories)
    if not annotations:
        raise InputError(f"{path}: annotations: found none, allowed: one or more")
    return annotations


def _segments(entry: dict[str, Any], where: str, categories: Categories) -> tuple[Segment, ...]:
    segments: dict[int, Segment] = {}
    for place, record in _entries(entry, "segments_info", where):
        number = _get(record, "id", int, place)
        if not 0 < number < _IDS or number in segments:
            found = f"{number} a second time" if number in segments else number
            raise InputError(f"{place}id: found {found}, allowed: 1 to {_IDS - 1}, each id once")
        category = _get(record, "category_id", int, place)
        if category not in categories.labels:
            raise InputError(f"{place}category_id: found {category}, allowed: an id of `categories`")
        crowd = _flag(record, "iscrowd", place) if "iscrowd" in record else False
        segments[number] = Segment(number, categories.labels[category], crowd)
    return tuple(segments.values())


def _entries(parent: dict[str, Any], field: str, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every entry of a list of objects, with how a message about one of its fields begins."""
    for index, entry in enumerate(_get(parent, field, list, where)):
        place = f"{where}{field}[{index}]"
        if not isinstance(entry, dict):
            raise InputError(f"{place}: found {entry!r}, allowed: an object")
        yield f"{place}.", entry


def _get(entry: dict[str, Any], field: str, kind: type, where: str) -> Any:
    value = entry.get(field)
    if not isinstance(value, kind) or isinstance(value, bool):
        found = "nothing" if value is None else repr(value)[:60]
        raise InputError(f"{where}{field}: found {found}, allowed: {_KINDS[kind]}")
    return value


def _flag(entry: dict[str, Any], field: str, where: str) -> bool:
    value = entry.get(field)
    if value not in (0, 1):
        found = "nothing" if value is None else repr(value)[:60]
        raise InputError(f"{where}{field}: found {found}, allowed: 0 or 1")
    return bool(value)


def _file_name(entry: dict[str, Any], where: str) -> str:
    """The name of a file in its folder, never a way out of it."""
    name: str = _get(entry, "file_name", str, where)
    if Path(name).name != name:
        raise InputError(f"{where}file_name: found {name!r}, allowed: a name without folders")
    return name
