"""The training curve of a supernet, point by point in a file."""

from __future__ import annotations

import json
import os
from pathlib import Path

from trionet_nni.files.atomic import naming, write_bytes
from trionet_nni.files.text import parse_json

Point = dict[str, float]
_LARGEST = 1e15  # of a step, an accuracy, a loss


class Curve:
    """Points of one training, in the order of their steps, each once.

    A training that was killed goes on from its last checkpoint, and reports again what it had reported
    after it: the same, unless it has diverged and its learning rate is lower now. The last report counts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def points(self) -> list[Point]:
        """What is there; a line that a kill left half written is not."""
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        known: dict[object, Point] = {}
        for line in lines:
            try:
                point = parse_json(line)
            except ValueError:
                continue
            if isinstance(point, dict) and all(map(_is_number, point.values())):
                known[point.get("step", len(known))] = point
        return list(known.values())

    def add(self, point: Point) -> None:
        """Append a point, unless it is there."""
        if "step" in point and point in self.points():
            return
        with naming(self.path):
            if not self.path.exists():
                write_bytes(self.path, [])  # its name is on disk
            self._append(json.dumps(point).encode() + b"\n")

    def _append(self, line: bytes) -> None:
        """On disk when this returns: a training that goes on from a later step does not report it again."""
        with self.path.open("ab+") as file:
            file.seek(0, 2)
            broken = file.tell() > 0 and (file.seek(-1, 2), file.read(1))[1] != b"\n"
            file.write((b"\n" if broken else b"") + line)
            file.flush()
            os.fsync(file.fileno())


def _is_number(value: object) -> bool:
    """NaN and infinity stand for themselves: a training that diverges reports them."""
    return type(value) is float or (type(value) is int and abs(value) < _LARGEST)
