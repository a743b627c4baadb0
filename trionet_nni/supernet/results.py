"""Every evaluation of an experiment, one JSON file each, written at once and never overwritten in part."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.errors import InputError, shown
from trionet_nni.files.text import read_json
from trionet_nni.settings.project import Metric

_LARGEST = 1e300  # FLOPs of any network, and images of any data set, are fewer
_LOSS = "a finite number from 0, which search.metric ranks by"


@dataclass(frozen=True)
class Evaluation:
    """What a sub-network reaches with the supernet's weights, and what it costs.

    Attributes:
        accuracy: top-1 on the search split, 0 to 1.
        images: how many images it was measured on.
        flops: 2 × multiply-accumulates of one image.
        params: elements.
        seconds: wall time of the evaluation.
        loss: mean cross entropy on the search split, nats; None where it was not measured, as in results of
            before candidates were ranked by it.
    """

    architecture: Architecture
    accuracy: float
    images: int
    flops: int
    params: int
    seconds: float
    loss: float | None = None

    def score(self, metric: Metric) -> float:
        """What ranks candidates, the larger the better: −loss (Eq. 3 minimizes the loss), or the accuracy.

        Raises:
            InputError: the metric was not measured.
        """
        if metric == "accuracy":
            return self.accuracy
        if self.loss is None:
            raise InputError(f"loss: found none, allowed: {_LOSS}")
        return -self.loss

    def to_dict(self) -> dict[str, Any]:
        """The content of its file, which `from_dict` reads."""
        return {
            "architecture": self.architecture.to_dict(),
            "hash": self.architecture.hash,
            "accuracy": self.accuracy,
            "images": self.images,
            "flops": self.flops,
            "params": self.params,
            "seconds": self.seconds,
            **({} if self.loss is None else {"loss": self.loss}),
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
        numbers = {name: _number(data, name, 1 if name == "accuracy" else _LARGEST) for name in names}
        architecture = Architecture.from_dict(data.get("architecture"))
        if data.get("hash") != architecture.hash:
            raise InputError(
                f"hash: found {shown(data.get('hash'))}, allowed: {architecture.hash}, the architecture's"
            )
        return cls(
            architecture,
            numbers["accuracy"],
            int(numbers["images"]),
            int(numbers["flops"]),
            int(numbers["params"]),
            numbers["seconds"],
            _number(data, "loss", _LARGEST) if "loss" in data else None,
        )


class ResultsStore:
    """The evaluations of one experiment, each of them on all search images.

    Successive halving, which 0.1.0 still had, stored accuracies of a part of the images too. They compare
    with no others: here they are as if they had never been stored.

    A file is read once: whoever watches a search asks each second, and only new ones appear.

    Args:
        folder: `<experiment>/trionet/evaluations`; it is made when the first result comes.
        metric: what the experiment ranks by. A result without it is refused: metrics are never mixed.
    """

    def __init__(self, folder: Path, metric: Metric) -> None:
        self.folder, self.metric = folder, metric
        self._known: dict[tuple[int, str], Evaluation | None] = {}  # by time of change and path

    def add(self, evaluation: Evaluation) -> None:
        """Store a result on disk; it is there, whole, when this returns.

        Raises:
            ValueError: accuracy or loss is not finite, or the loss is missing where it ranks.
        """
        loss = evaluation.loss
        if not math.isfinite(evaluation.accuracy):
            raise ValueError(f"accuracy: found {evaluation.accuracy}, allowed: a finite number")
        if loss is None and self.metric == "loss":
            raise ValueError(f"loss: found none, allowed: {_LOSS}")
        if loss is not None and not math.isfinite(loss):
            raise ValueError(f"loss: found {loss}, allowed: a finite number")
        from trionet_nni.files.atomic import write_json

        write_json(self.folder / f"{evaluation.architecture.hash}.json", evaluation.to_dict())

    def get(self, architecture_hash: str) -> Evaluation | None:
        """The result of an architecture, or None."""
        path = self.folder / f"{architecture_hash}.json"
        return self._read(path) if path.exists() else None

    def all(self) -> list[Evaluation]:
        """Every result, in order of arrival.

        Raises:
            InputError: a file is no result, or lacks the metric.
        """
        entries = self._entries()
        self._known = {
            entry: self._known[entry] if entry in self._known else self._read(Path(entry[1]))
            for entry in entries
        }
        return [result for result in self._known.values() if result is not None]

    def top(self, count: int, max_flops: float = math.inf) -> list[Evaluation]:
        """The best within a budget, best first; of equals the one with fewer FLOPs."""
        return ranked(self.all(), self.metric, max_flops)[:count]

    def pareto(self) -> list[Evaluation]:
        """Results that no other one beats in the metric and FLOPs together, cheapest first."""
        front: list[Evaluation] = []
        for result in sorted(ranked(self.all(), self.metric), key=lambda item: item.flops):
            if not front or result.score(self.metric) > front[-1].score(self.metric):
                front.append(result)
        return front

    def __len__(self) -> int:
        return len(self.all())

    def paths(self) -> list[Path]:
        """The files, in order of arrival."""
        return [Path(path) for _, path in self._entries()]

    def _read(self, path: Path) -> Evaluation | None:
        """The result in a file; None where it is one of a part of the images."""
        data = read_json(path, "an evaluation")
        if isinstance(data, dict) and data.get("stopped") is True:
            return None
        try:
            result = Evaluation.from_dict(data)
            result.score(self.metric)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        return result

    def _entries(self) -> list[tuple[int, str]]:
        if not self.folder.is_dir():
            return []
        with os.scandir(self.folder) as entries:
            return sorted(
                (entry.stat().st_mtime_ns, entry.path)
                for entry in entries
                if entry.name.endswith(".json") and not entry.name.startswith(".")
            )


def ranked(results: Iterable[Evaluation], metric: Metric, max_flops: float = math.inf) -> list[Evaluation]:
    """Results within a budget, the best first; of equals the one with fewer FLOPs.

    Raises:
        InputError: a result lacks the metric.
    """

    def rank(result: Evaluation) -> tuple[float, int, str]:
        return (-result.score(metric), result.flops, result.architecture.hash)

    return sorted((result for result in results if result.flops <= max_flops), key=rank)


def _number(data: dict[str, Any], name: str, largest: float) -> float:
    value = data.get(name)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= largest:
        return value
    raise InputError(f"{name}: found {shown(value)}, allowed: a number from 0 to {largest:g}")
