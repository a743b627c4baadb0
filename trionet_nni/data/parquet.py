"""Parquet files with pictures, as data sets lie on Hugging Face's hub."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trionet_nni.data.laid_out import Picture
from trionet_nni.data.packed import Format, part_of
from trionet_nni.data.source import Dataset
from trionet_nni.errors import InputError, shown

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 256  # rows read at a time
_PICTURES, _LABELS = ("image", "img", "picture"), ("label", "labels", "fine_label")


@dataclass(frozen=True)
class Columns:
    """Which columns hold pictures and classes.

    Attributes:
        names: of numbered classes; None: not known.
    """

    picture: str
    label: str
    names: tuple[str, ...] | None


def unpack(root: Path, files: Sequence[Path]) -> tuple[Iterable[Picture], Sequence[str] | None]:
    """Pictures of `*.parquet`; `train`, `validation` or `test` stands in the files' names or folders'.

    A column has the pictures, as bytes or as Hugging Face's {bytes, path}, another one the classes, numbers
    or names. Where the files say what they hold, as Hugging Face's do, that decides; else the names of the
    columns.

    Raises:
        InputError: pyarrow is not installed, or a file has no such columns.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        found = "found no pyarrow, allowed: pip install 'trionet-nni[datasets]'"
        raise InputError(f"data.name: parquet: {found}") from None
    columns = _columns(files[0])
    return _pictures(root, files, columns), columns.names


def _pictures(root: Path, files: Sequence[Path], columns: Columns) -> Iterator[Picture]:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    for path in files:
        part = part_of(path, root)
        try:
            with ParquetFile(path) as file:
                wanted = [columns.picture, columns.label]
                for batch in file.iter_batches(_BATCH, columns=wanted):
                    for row in batch.to_pylist():
                        yield Picture(part, _label(row[columns.label]), _bytes(path, row[columns.picture]))
        except (pa.ArrowException, OSError, KeyError) as error:
            raise _refusal(path, error) from None


def _columns(path: Path) -> Columns:
    import pyarrow as pa
    from pyarrow.parquet import read_schema

    try:
        schema = read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise _refusal(path, error) from None
    features = _features(schema)
    picture = _chosen(path, "picture", schema.names, _PICTURES, _of_type(features, "Image"))
    label = _chosen(path, "class", schema.names, _LABELS, _of_type(features, "ClassLabel"))
    names = features.get(label, {}).get("names")
    return Columns(picture, label, None if names is None else tuple(map(str, names)))


def _features(schema: pa.Schema) -> dict[str, dict[str, Any]]:
    """What Hugging Face's `datasets` wrote down of the columns, where it did."""
    try:
        found = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {str(name): dict(feature) for name, feature in found.items() if isinstance(feature, dict)}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def _of_type(features: dict[str, dict[str, Any]], kind: str) -> list[str]:
    return [name for name, feature in features.items() if feature.get("_type") == kind]


def _chosen(path: Path, what: str, there: list[str], usual: Sequence[str], said: list[str]) -> str:
    """A column: of those said to be of the kind the usual one, or the first; else a usual one."""
    for names in (said, there):
        for name in usual:
            if name in names:
                return name
        if names is said and said:
            return said[0]
    found = ", ".join(shown(name) for name in there[:8]) or "none"
    raise InputError(f"{path}: columns: found {found}, allowed: one of a {what}, {' or '.join(usual)}")


def _label(value: Any) -> str | int | None:
    """A class; None where a test set keeps its classes to itself."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value >= 0 else None
    return str(value) if value not in (None, "") else None


def _bytes(path: Path, value: Any) -> bytes:
    data = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(data, bytes):
        raise InputError(f"{path}: picture: found {type(data).__name__}, allowed: bytes of an image file")
    return data


def _refusal(path: Path, error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return InputError(f"{path}: found no whole parquet file ({reason}), allowed: one")


FORMAT = Format("parquet", ".parquet", unpack)
DATASETS = (Dataset("parquet", FORMAT.open, classes=None, names=FORMAT.names),)
