"""`trionet latency --table`: every candidate block of a space, timed here, place by place.

A place that is done is on disk: the same command goes on with the next one. At a place all candidates take
turns, so that what else the machine does meets all of them.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import nn

from trionet_nni.architecture.architecture import Architecture, block_to_dict
from trionet_nni.architecture.budget import Budget
from trionet_nni.architecture.cost import CostModel
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.errors import InputError
from trionet_nni.export.deploy.fitted import Fitted, fit
from trionet_nni.export.deploy.latency import latency
from trionet_nni.files.atomic import write_json
from trionet_nni.files.text import read_json
from trionet_nni.network.trionet import TrioNet, build_block
from trionet_nni.operators.place import Place
from trionet_nni.settings.latency_table import LatencyFile, LatencyTable

BACKENDS = ("torch", "onnxruntime")  # what compiles for minutes is not worth a table
_FITTED, _BLOCK_SECONDS, _NETWORK_SECONDS = 32, 0.06, 1.0


@dataclass(frozen=True)
class Conditions:
    """What a table is for.

    Attributes:
        cost: image size, channels and classes of the networks.
        batch: images at once.
    """

    table: SpaceTable
    cost: CostModel
    backend: str
    batch: int
    threads: int

    @property
    def image_size(self) -> int:
        """Side of the images, pixels."""
        return self.table.skeleton.image_size if self.cost.image_size is None else self.cost.image_size

    @property
    def images(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return self.cost.channels, self.image_size, self.image_size

    def to_dict(self) -> dict[str, Any]:
        """As the file says it, with the machine."""
        versions = {"torch": torch.__version__}
        if self.backend == "onnxruntime":
            import onnxruntime

            versions["onnxruntime"] = onnxruntime.__version__
        return {
            "space": self.table.space,
            "image_size": self.image_size,
            "channels": self.cost.channels,
            "classes": self.cost.classes,
            "backend": self.backend,
            "batch": self.batch,
            "threads": self.threads,
            "machine": processor(),
            "versions": versions,
        }


def measure_table(conditions: Conditions, path: Path, *, progress: bool = True) -> LatencyTable:
    """Time every candidate at every place, or what is missing, then fit what whole networks add.

    Raises:
        InputError: the file is a table for something else, or of another machine.
    """
    partial, about = path.with_name(f"{path.name}.partial"), conditions.to_dict()
    if path.exists():
        table = LatencyTable.load(path)
        _refuse_others(path, about, table.file.model_dump())
        return table
    known = _known(partial, about)
    places = _places(conditions)
    console = Console(stderr=True, quiet=not progress)
    for number, place in enumerate(places, 1):
        done = [one for one in known if Place(**{key: one[key] for key in asdict(place)}) == place]
        if done:
            continue
        console.print(
            f"place {number} of {len(places)}: {len(conditions.table.blocks)} candidates", highlight=False
        )
        known += _at(place, conditions)
        write_json(partial, {**about, "blocks": known})
    fitted = _fit(conditions, LatencyTable.of(_file(about, known, Fitted(0.0, 1.0, {}, 0.0))))
    table = LatencyTable.of(_file(about, known, fitted))
    write_json(path, table.file.model_dump())
    partial.unlink(missing_ok=True)
    return table


@dataclass(frozen=True)
class Checked:
    """Predictions beside what was measured, milliseconds, network by network."""

    predicted: tuple[float, ...]
    measured: tuple[float, ...]

    @property
    def error(self) -> float:
        """Median of |predicted − measured| ÷ measured."""
        pairs = zip(self.predicted, self.measured, strict=True)
        return median(abs(guess - true) / true for guess, true in pairs)

    @property
    def tau(self) -> float:
        """Kendall's τ."""
        from scipy.stats import kendalltau

        return float(kendalltau(self.predicted, self.measured).statistic)


def check_table(table: LatencyTable, conditions: Conditions, count: int = 20) -> Checked:
    """Compare predictions with networks that the table has not seen."""
    networks = unseen(conditions, count)
    return Checked(tuple(map(table.predict, networks)), tuple(_measured(conditions, networks)))


def unseen(conditions: Conditions, count: int) -> list[Architecture]:
    """Networks that no table was fitted to, the same ones each time."""
    return _networks(conditions, count, seed=1)


def processor() -> str:
    """The model of the processor, as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _refuse_others(path: Path, about: dict[str, Any], found: dict[str, Any]) -> None:
    for name, wanted in about.items():
        if found.get(name) != wanted:
            raise InputError(f"{path}: {name}: found {found.get(name)}, allowed: {wanted}, or a new file")


def _known(partial: Path, about: dict[str, Any]) -> list[dict[str, Any]]:
    """Blocks that an interrupted run has timed."""
    if not partial.exists():
        return []
    data = read_json(partial, "a part of a table of latencies")
    found = data if isinstance(data, dict) else {}
    _refuse_others(partial, about, found)
    file = LatencyFile.model_validate({**found, "outside": 0.0, "scale": 1.0})
    return [one.model_dump() for one in file.blocks]


def _file(about: dict[str, Any], blocks: list[dict[str, Any]], fitted: Fitted) -> LatencyFile:
    return LatencyFile.model_validate({**about, **asdict(fitted), "blocks": blocks})


def _places(conditions: Conditions) -> list[Place]:
    frame = conditions.table.skeleton
    every = (frame.place(*at, conditions.image_size) for at in conditions.table.positions())
    return list(dict.fromkeys(every))


def _at(place: Place, conditions: Conditions) -> list[dict[str, Any]]:
    blocks = {block: build_block(block, place) for block in conditions.table.blocks}
    shape = (place.input_width, place.size, place.size)
    times = _times(
        conditions,
        {str(number): (block, shape) for number, block in enumerate(blocks.values())},
        _BLOCK_SECONDS,
    )
    return [
        {**asdict(place), "block": block_to_dict(block), "ms": ms}
        for block, ms in zip(blocks, times, strict=True)
    ]


def _times(
    conditions: Conditions, networks: Mapping[str, tuple[nn.Module, tuple[int, int, int]]], seconds: float
) -> list[float]:
    found = latency(networks, [conditions.batch], backend=conditions.backend, seconds=seconds)
    return [one.p50 for one in found]


def _networks(conditions: Conditions, count: int, seed: int) -> list[Architecture]:
    """Of every size: a third of the range of FLOPs each is drawn from in turn."""
    low, high = Budget.of(conditions.table, conditions.cost, 0, float("inf")).reachable
    random, edges = np.random.RandomState(seed), np.geomspace(low, high, 4)
    thirds = [Budget.of(conditions.table, conditions.cost, *edges[n : n + 2]) for n in range(3)]
    return [thirds[number % 3].random(random) for number in range(count)]


def _measured(conditions: Conditions, networks: Sequence[Architecture]) -> list[float]:
    built = {
        str(number): (_built(conditions, one), conditions.images) for number, one in enumerate(networks)
    }
    return _times(conditions, built, _NETWORK_SECONDS)


def _built(conditions: Conditions, network: Architecture) -> TrioNet:
    cost = conditions.cost
    return TrioNet(network, classes=cost.classes, channels=cost.channels, image_size=conditions.image_size)


def _fit(conditions: Conditions, table: LatencyTable) -> Fitted:
    networks = _networks(conditions, _FITTED, seed=0)
    totals = [table.totals(one) for one in networks]
    return fit(totals, _measured(conditions, networks), conditions.table.operator_names)
