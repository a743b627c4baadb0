"""What a supernet gives sub-networks of one kind: mixed ones, the ends of the sandwich, halved heads.

All supernets of a claim are asked for the same networks, drawn with a fixed seed, so losses are paired by
network as well as by seed.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from trionet_nni.architecture.architecture import Architecture, Block
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.files.atomic import write_json
from trionet_nni.reproduce.jobs import RESULT
from trionet_nni.reproduce.searching import Measuring
from trionet_nni.settings.plugins import load_table

Kind = Literal["mixed", "smallest", "largest", "halved"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Losses(Measuring):
    """Mean loss on the search images of `count` different networks of a kind, BN recalibrated.

    Attributes:
        kind: "mixed": an operator for each block, each as likely, and any of its options. "smallest",
            "largest": of such operators the smallest and the largest options and depths. "halved": mixed
            attention with half the query and value channels, and any number of heads.
    """

    kind: Kind

    @property
    def title(self) -> str:
        """Names kind and supernet."""
        return f"{self.count} {self.kind} networks, {self.supernet.title}"

    def _settings(self) -> dict[str, Any]:
        return {"kind": self.kind}

    def run(self, working: Path) -> None:
        """Draw and measure; what was measured before an interruption is not measured again."""
        scores = self._measure(working)
        found = {
            one.hash: scores(one) for one in networks(load_table(self.config.space), self.kind, self.count)
        }
        losses = {name: one.loss for name, one in found.items()}
        mean = statistics.fmean(loss for loss in losses.values() if loss is not None)
        accuracy = statistics.fmean(one.accuracy for one in found.values())
        write_json(self.folder(working) / RESULT, {"loss": mean, "accuracy": accuracy, "losses": losses})


def networks(table: SpaceTable, kind: Kind, count: int) -> list[Architecture]:
    """As many different networks of a kind, always the same ones.

    A space with fewer of them gives all that a hundred draws for each find.
    """
    random, found = np.random.default_rng(KINDS.index(kind)), dict[str, Architecture]()
    for _ in range(100 * count):
        if len(found) == count:
            break
        network = _drawn(table, _CHOOSE[kind], random, kind)
        found[network.hash] = network
    return list(found.values())


Choose = Callable[[SpaceTable, str, np.random.Generator], Block]


def _drawn(table: SpaceTable, choose: Choose, random: np.random.Generator, kind: Kind) -> Architecture:
    stages = []
    for depths in table.depths:
        depth = {"smallest": min(depths), "largest": max(depths)}.get(kind, int(random.choice(depths)))
        names = [str(random.choice(table.operator_names)) for _ in range(depth)]
        stages.append(tuple(choose(table, name, random) for name in names))
    return Architecture(table.space, tuple(stages))


def _any(table: SpaceTable, operator: str, random: np.random.Generator) -> Block:
    blocks = table.choices(operator).blocks
    return blocks[random.integers(len(blocks))]


def _halved(table: SpaceTable, operator: str, random: np.random.Generator) -> Block:
    """Any block with the least rates, where it has rates."""
    rates = {name: min(values) for name, values in table.choices(operator).options if name in ("qk", "v")}
    blocks = table.choices(operator).blocks
    halved = [one for one in blocks if all(getattr(one, name) == rate for name, rate in rates.items())]
    return halved[random.integers(len(halved))]


_CHOOSE: dict[Kind, Choose] = {
    "mixed": _any,
    "smallest": lambda table, operator, random: table.choices(operator).smallest,
    "largest": lambda table, operator, random: table.choices(operator).largest,
    "halved": _halved,
}
