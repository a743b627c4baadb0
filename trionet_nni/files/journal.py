"""A JSON document that changes a little, thousands of times: a whole file, and a journal beside it.

A search saves its state before every trial and after it. Written whole each time, that of 5,000 candidates
makes 24 GB; a line of a journal holds what is new.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from trionet_nni.files.atomic import naming, write_json, write_text

_FEWEST_BYTES = 1_000_000  # of a journal, before the whole is written again
_REVISION = "revision"
Leaf = tuple[str, ...]  # a field of the document, or of an object in it
_Noted = dict[Leaf, str | int]  # its text, or the length of one that grows


class Grown(list[Any]):
    """A list that only grows during a process's time, and whose elements never change.

    Whoever promises that in a document has only its new elements written.
    """


class Journal:
    """Writes one document again and again. It is the only writer, and saves the whole at first.

    A save is on the disk when `save` returns. After a crash in the middle of one, the document is what the
    save before it wrote.

    Args:
        path: of the whole document; the journal lies beside it.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lines = path, journal_of(path)
        self._file: IO[bytes] | None = None
        self._known: dict[
            Leaf, str | int
        ] = {}  # text of a leaf as it was saved, or length of one that grows
        self._revision = self._bytes = self._whole = 0

    def save(self, document: Mapping[str, Any]) -> None:
        """Write what has changed since the last time.

        Raises:
            OSError: it could not be written.
            ValueError: a number is not finite.
        """
        known = {leaf: _noted(value) for leaf, value in _leaves(document)}
        gone = any(leaf not in known for leaf in self._known)
        if self._file is None or gone or self._bytes > max(self._whole, _FEWEST_BYTES):
            self._save_whole(document)
            self._known = known
            return
        changes = self._changes(document, known)
        self._known = known
        if any(changes.values()):
            try:
                self._append({_REVISION: self._revision + 1, **changes})
            except BaseException:
                self.close()  # half a line, perhaps: the next save is a whole one
                raise

    def close(self) -> None:
        """The next save writes the whole document."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _save_whole(self, document: Mapping[str, Any]) -> None:
        """Lines of before are older than the file then, and are passed over even if they stay."""
        self.close()
        self._revision = max(self._revision, _latest(self._path)) + 1
        write_json(self._path, {**document, _REVISION: self._revision})
        write_text(self._lines, "")
        self._file = self._lines.open("ab")
        self._whole, self._bytes = self._path.stat().st_size, 0

    def _changes(self, document: Mapping[str, Any], known: _Noted) -> dict[str, list[Any]]:
        """The fields that are new or different, and those that grew."""
        put: list[Any] = []
        add: list[Any] = []
        for leaf, value in _leaves(document):
            before, now = self._known.get(leaf), known[leaf]
            if isinstance(before, int) and isinstance(now, int) and now >= before:
                if now > before:
                    add.append([leaf, value[before:]])
            elif now != before or isinstance(now, int):
                put.append([leaf, value])
        return {"put": put, "add": add}

    def _append(self, line: Mapping[str, Any]) -> None:
        assert self._file is not None
        text = json.dumps(line, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        with naming(self._lines):
            self._file.write(text)
            self._file.flush()
            os.fsync(self._file.fileno())
        self._revision += 1
        self._bytes += len(text)


def read_journaled(path: Path) -> dict[str, Any]:
    """The document as it was saved last; a file without a journal is the document.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON object.
    """
    document = _loaded(path.read_bytes())
    if not isinstance(document, dict):
        raise ValueError(f"{type(document).__name__}, no object")
    revision = document.pop(_REVISION, 0)
    try:
        for line in _read_lines(journal_of(path)):
            if line[_REVISION] == revision + 1:
                _apply(document, line)
                revision = line[_REVISION]
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"a damaged journal ({type(error).__name__}: {error})") from None
    return document


def journal_of(path: Path) -> Path:
    """The file beside a document that holds its latest changes, one save a line."""
    return path.with_suffix(".journal")


def _leaves(document: Mapping[str, Any]) -> Iterator[tuple[Leaf, Any]]:
    """Fields of objects one by one, everything else as it is: what is compared, and written, as one."""
    for name, part in document.items():
        if isinstance(part, dict) and part:
            yield from (((name, field), value) for field, value in part.items())
        else:
            yield (name,), part


def _noted(value: Any) -> str | int:
    return len(value) if isinstance(value, Grown) else json.dumps(value, allow_nan=False)


def _latest(path: Path) -> int:
    """The revision that a file and its journal have come to; 0 where there is none to read."""
    try:
        whole = [_loaded(path.read_bytes())]
    except (OSError, ValueError):
        whole = []
    return max((_revision(one) for one in (*whole, *_read_lines(journal_of(path)))), default=0)


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Every whole line; what a crash left of the last one is not read."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    for line in data.split(b"\n")[:-1]:
        try:
            yield _loaded(line)
        except ValueError:
            return


def _revision(found: object) -> int:
    number = found.get(_REVISION) if isinstance(found, dict) else None
    return number if type(number) is int else 0


def _loaded(text: bytes) -> Any:
    """A JSON document.

    Raises:
        ValueError: it is none.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("lists or objects nested too deeply") from None


def _apply(document: dict[str, Any], line: Mapping[str, Any]) -> None:
    for leaf, value in line["put"]:
        _parent(document, leaf)[leaf[-1]] = value
    for leaf, value in line["add"]:
        _parent(document, leaf)[leaf[-1]].extend(value)


def _parent(document: dict[str, Any], leaf: Leaf) -> dict[str, Any]:
    if len(leaf) == 1:
        return document
    part: dict[str, Any] = document.setdefault(leaf[0], {})
    return part
