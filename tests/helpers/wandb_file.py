"""What wandb wrote offline: records in blocks, as LevelDB keeps its log."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.helpers.patience import until

_BLOCK, _HEADER = 32_768, 7  # bytes; a file's own header and that of each piece of a record
_FULL, _LAST = 1, 4  # kinds of pieces with which a record ends


def history(folder: Path) -> list[dict[str, Any]]:
    """What was logged together, in order, of the only run below a folder."""
    return [_values(one.history.item) for one in _records(folder, "history")]


def config(folder: Path) -> dict[str, Any]:
    """The configuration of the only run below a folder."""
    found: dict[str, Any] = {}
    for one in _records(folder, "config"):
        found |= _values(one.config.update)
    return found


def run(folder: Path) -> Any:
    """wandb's record of the only run below a folder: `run_id`, `display_name`, `project`."""
    return _records(folder, "run")[0].run


def _values(items: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in items:
        *outer, name = item.nested_key or [item.key]
        values = found
        for key in outer:
            values = values.setdefault(key, {})
        values[name] = json.loads(item.value_json)
    return found


def _records(folder: Path, kind: str) -> list[Any]:
    """All of a kind, once the run is over: another process writes them, and a moment later."""
    (file,) = folder.rglob("run-*.wandb")
    until(lambda: any(_kind(one) == "exit" for one in _read(file)))
    return [one for one in _read(file) if _kind(one) == kind]


def _kind(record: Any) -> str:
    return str(record.WhichOneof("record_type"))


def _read(file: Path) -> list[Any]:
    from wandb.proto.wandb_internal_pb2 import Record

    return [Record.FromString(data) for data in _pieces(file.read_bytes())]


def _pieces(data: bytes) -> Iterator[bytes]:
    at, record = _HEADER, b""
    while at + _HEADER <= len(data):
        left = _BLOCK - at % _BLOCK
        if left < _HEADER:  # the rest of a block is empty
            at += left
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        record += data[at + _HEADER : at + _HEADER + length]
        at += _HEADER + length
        if kind in (_FULL, _LAST):
            yield record
            record = b""
