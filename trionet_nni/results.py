"""Every evaluation of an experiment, one JSON file each, written at once and never overwritten in part."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trionet_nni.architecture import Architecture
from trionet_nni.errors import InputError


@dataclass(frozen=True)
class Evaluation:
    """A sub-network's score with the supernet's weights.

    Attributes:
        accuracy: top-1 on the search split, 0 to 1.
        images: how many images it was measured on.
        flops: 2 × multiply-accumulates of one image.
        params: elements.
        seconds: wall time of the evaluation.
    """

    architecture: Architecture
    accuracy: float
    images: int
    flops: int
    params: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "architecture": self.architecture.to_dict(),
            "hash": self.architecture.hash,
            "accuracy": self.accuracy,
            "images": self.images,
            "flops": self.flops,
            "params": self.params,
            "seconds": self.seconds,
        }

    @classmethod
    def from_dict(cls, data: object) -> Evaluation:
        """Read the stored form.

        Raises:
            InputError: naming the field, what was found and what is allowed.
        """
        if not isinstance(data, dict):
            raise InputError(f"evaluation: found {type(data).__name__}, allowed: an object")
        names = ("accuracy", "images", "flops", "params", "seconds")
        numbers = {name: _number(data, name) for name in names}
        return cls(
            Architecture.from_dict(data.get("architecture")),
            numbers["accuracy"],
            int(numbers["images"]),
            int(numbers["flops"]),
            int(numbers["params"]),
            numbers["seconds"],
        )


class ResultsStore:
    """The evaluations of one experiment.

    Args:
        folder: `<experiment>/trionet/evaluations`; it is made when the first result comes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, evaluation: Evaluation) -> None:
        """Store a result on disk; it is there, whole, when this returns.

        Raises:
            ValueError: the accuracy is not finite.
        """
        if not math.isfinite(evaluation.accuracy):
            raise ValueError(f"accuracy: found {evaluation.accuracy}, allowed: a finite number")
        from trionet_nni.atomic import write_json

        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / f"{evaluation.architecture.hash}.json", evaluation.to_dict())

    def get(self, architecture_hash: str) -> Evaluation | None:
        """The result of an architecture, or None."""
        path = self.folder / f"{architecture_hash}.json"
        return _read(path) if path.exists() else None

    def all(self) -> list[Evaluation]:
        """Every result, in order of arrival."""
        return [_read(path) for path in self._paths()]

    def top(self, count: int) -> list[Evaluation]:
        """The most accurate, best first; of equals the one with fewer FLOPs."""
        return sorted(self.all(), key=_rank)[:count]

    def pareto(self) -> list[Evaluation]:
        """Results that no other one beats in accuracy and FLOPs together, cheapest first."""
        front: list[Evaluation] = []
        for result in sorted(self.all(), key=lambda item: (item.flops, -item.accuracy)):
            if not front or result.accuracy > front[-1].accuracy:
                front.append(result)
        return front

    def __len__(self) -> int:
        return sum(1 for _ in self._paths())

    def _paths(self) -> Iterator[Path]:
        if self.folder.is_dir():
            with os.scandir(self.folder) as entries:
                found = [
                    (entry.stat().st_mtime_ns, entry.path)
                    for entry in entries
                    if entry.name.endswith(".json") and not entry.name.startswith(".")
                ]
            yield from (Path(path) for _, path in sorted(found))


def _rank(evaluation: Evaluation) -> tuple[float, int, str]:
    return (-evaluation.accuracy, evaluation.flops, evaluation.architecture.hash)


def _read(path: Path) -> Evaluation:
    try:
        return Evaluation.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}") from None


def _number(data: dict[str, Any], name: str) -> float:
    value = data.get(name)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return value
    raise InputError(f"{name}: found {value!r}, allowed: a finite number")
