"""What an experiment keeps of its finalists: who they are, their losses, and their checkpoints."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.errors import InputError, shown
from trionet_nni.files.atomic import write_json
from trionet_nni.files.text import read_object
from trionet_nni.finalists.halving import Losses, Rung, Training, order, waiting
from trionet_nni.settings.project import Metric

_CHOSEN, _PILOTS = "finalists.json", "pilots.json"
_LARGEST = 1e300  # losses, images and seconds are fewer
_NUMBERS = ("loss", "accuracy", "images", "seconds")


@dataclass(frozen=True)
class FinalistResult:
    """What a finalist has reached on a rung.

    Attributes:
        training: network and rung.
        loss: mean cross entropy on the search split, nats.
        accuracy: top-1 on the search split, 0 to 1.
        images: of the search split of this rung.
        seconds: of training, from the first step on, interruptions left out.
    """

    training: Training
    loss: float
    accuracy: float
    images: int
    seconds: float

    def score(self, metric: Metric) -> float:
        """The larger the better: what the portal shows beside the candidates' own scores."""
        return -self.loss if metric == "loss" else self.accuracy

    @classmethod
    def from_dict(cls, training: Training, data: object) -> FinalistResult:
        """What another machine reports of this training.

        Raises:
            InputError: it is of another network or rung, or its numbers are none.
        """
        name, rung = training.architecture.hash, training.rung
        wanted = {"hash": name, "rung": rung.number, "steps": rung.steps}
        found = {key: data.get(key) for key in wanted} if isinstance(data, dict) else shown(data)
        if found != wanted or not isinstance(data, dict):
            raise InputError(f"a finalist's result: found one of {found}, allowed: of {wanted}")
        return cls(training, **_numbers("a finalist's result", data))

    def to_dict(self) -> dict[str, Any]:
        """The content of its file."""
        network, rung = self.training.architecture, self.training.rung
        return {
            "architecture": network.to_dict(),
            "hash": network.hash,
            "rung": rung.number,
            "steps": rung.steps,
            **{name: getattr(self, name) for name in _NUMBERS},
        }


@dataclass(frozen=True)
class Standing:
    """What a finalist has come to on all its rungs.

    Attributes:
        results: at least one, of the rungs from the first on.
    """

    results: tuple[FinalistResult, ...]

    @property
    def architecture(self) -> Architecture:
        """The network."""
        return self.results[0].training.architecture

    @property
    def loss(self) -> float:
        """Mean over its trainings, nats."""
        return statistics.fmean(result.loss for result in self.results)

    @property
    def accuracy(self) -> float:
        """Mean over its trainings, 0 to 1."""
        return statistics.fmean(result.accuracy for result in self.results)


@dataclass(frozen=True)
class Settled:
    """Who takes part.

    Attributes:
        brackets: the networks of each budget.
        whole: False: these are pilots, and others follow them.
    """

    brackets: list[list[Architecture]]
    whole: bool


class FinalistStore:
    """The finalists of one experiment. Every file is whole or not there; none is ever changed.

    Args:
        folder: `<experiment>/trionet/finalists`; it is made when there is something to keep.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def lock(self) -> Path:
        """For `files.locks.locked_key`: who trains a network holds the byte of its hash."""
        return self.folder / "training.lock"

    def run(self, training: Training) -> Path:
        """The folder of one training: checkpoints, curves."""
        return self.folder / "runs" / _name(*training.key)

    def choose(self, brackets: Sequence[Sequence[Architecture]]) -> None:
        """Settle who the finalists of each budget are, in the order in which they are trained."""
        self._settle(_CHOSEN, brackets)

    def chosen(self) -> list[list[Architecture]] | None:
        """The finalists of each budget; None as long as the search goes on, or its pilots are trained.

        Raises:
            InputError: the file cannot be read.
        """
        return self._settled(_CHOSEN)

    def choose_pilots(self, brackets: Sequence[Sequence[Architecture]]) -> None:
        """Settle who of each budget is trained before the others are chosen."""
        self._settle(_PILOTS, brackets)

    def pilots(self) -> list[list[Architecture]] | None:
        """The pilots of each budget; None as long as the search goes on, or where it has none.

        Raises:
            InputError: the file cannot be read.
        """
        return self._settled(_PILOTS)

    def settled(self) -> Settled | None:
        """Who takes part, as far as that is known; None as long as the search goes on."""
        chosen = self.chosen()
        pilots = self.pilots() if chosen is None else None
        if pilots is not None:
            return Settled(pilots, whole=False)
        return None if chosen is None else Settled(chosen, whole=True)

    def missing(self, ladder: Sequence[Rung], settled: Settled | None = None) -> list[Training]:
        """What has to be trained now, a network of several budgets once.

        Args:
            settled: who takes part; left out: as it is now. Pilots alone are trained on the first rung.
        """
        settled = settled or self.settled()
        if settled is None:
            return []
        ladder = ladder if settled.whole else ladder[:1]
        found = [
            one for group in settled.brackets for one in waiting(group, ladder, self.losses(group, ladder))
        ]
        return list({one.key: one for one in found}.values())

    def _settle(self, name: str, brackets: Sequence[Sequence[Architecture]]) -> None:
        data = [[network.to_dict() for network in bracket] for bracket in brackets]
        write_json(self.folder / name, {"budgets": data})

    def _settled(self, name: str) -> list[list[Architecture]] | None:
        path = self.folder / name
        if not path.exists():
            return None
        brackets = read_object(path, "networks of a search").get("budgets")
        if not isinstance(brackets, list) or not all(isinstance(bracket, list) for bracket in brackets):
            raise InputError(f"{path}: budgets: found {shown(brackets)}, allowed: lists of networks")
        try:
            return [[Architecture.from_dict(network) for network in bracket] for bracket in brackets]
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def add(self, result: FinalistResult) -> None:
        """Store a result on disk; it is there, whole, when this returns.

        Raises:
            ValueError: a number is not finite.
        """
        self._write(result.training, result.to_dict())

    def sign(self, training: Training) -> float:
        """When it last wrote something, by the clock on the wall: another number each time; 0 before that.

        The clock may be set back meanwhile, so it is the sum, and no latest one, that has to be another.
        """
        found = self.run(training).glob("*") if self.run(training).is_dir() else ()
        return sum(path.stat().st_mtime for path in found)

    def give_up(self, training: Training) -> None:
        """Store that no result can be had: its trials have failed too often."""
        name, number = training.key
        self._write(training, {"hash": name, "rung": number, "loss": None})

    def get(self, training: Training) -> FinalistResult | None:
        """The result of a network on a rung, or None.

        Raises:
            InputError: its file cannot be read.
        """
        path = self._path(*training.key)
        data = read_object(path, "a finalist's result") if path.exists() else {"loss": None}
        given_up = data.get("loss", 0) is None
        return None if given_up else FinalistResult(training, **_numbers(path, data))

    def losses(self, finalists: Iterable[Architecture], ladder: Sequence[Rung]) -> Losses:
        """All losses that are known, and which cannot be had."""
        found: dict[tuple[str, int], float | None] = {}
        for network in finalists:
            for rung in ladder:
                one = Training(network, rung)
                if self._path(*one.key).exists():
                    result = self.get(one)
                    found[one.key] = None if result is None else result.loss
        return found

    def ordered(self, ladder: Sequence[Rung], settled: Settled | None = None) -> list[list[Standing]]:
        """The finalists of each budget that have a result, the winner first; see `halving.order`.

        Args:
            settled: who takes part. Left out: nobody as long as there are pilots alone, of all ranks.
        """
        brackets = self.chosen() if settled is None else settled.brackets
        return [
            [
                self._standing(network, ladder[: rung.number])
                for network, rung in order(bracket, ladder, self.losses(bracket, ladder))
            ]
            for bracket in brackets or []
        ]

    def _standing(self, network: Architecture, ladder: Sequence[Rung]) -> Standing:
        found = [self.get(Training(network, rung)) for rung in ladder]
        return Standing(tuple(result for result in found if result is not None))

    def _path(self, name: str, rung: int) -> Path:
        return self.folder / "results" / f"{_name(name, rung)}.json"

    def _write(self, training: Training, data: dict[str, Any]) -> None:
        write_json(self._path(*training.key), data)


def _name(name: str, rung: int) -> str:
    return f"{name}-rung{rung}"


def _numbers(path: Path | str, data: dict[str, Any]) -> dict[str, Any]:
    for name in _NUMBERS:
        value = data.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _LARGEST:
            raise InputError(f"{path}: {name}: found {shown(value)}, allowed: a number from 0")
    return {name: data[name] for name in _NUMBERS}
