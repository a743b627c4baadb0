"""A unit: the smallest piece of the comparison that is computed, stored and reused."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.worth.case import Case
from benchmarks.worth.meter import Meter
from benchmarks.worth.records import Records
from trionet_nni.reproduce.jobs import key_of

PROTOCOL = 1  # raise it when results of before may not stand beside those of after


@dataclass(frozen=True)
class Bench:
    """Where a unit works.

    Attributes:
        records: every result that is known.
        folder: for checkpoints and supernets; what lies there can be made again.
    """

    records: Records
    folder: Path

    def work(self, unit: Unit) -> Path:
        """A unit's own folder; it goes when its result is there."""
        return self.folder / "work" / unit.case.name / f"{unit.kind}-{unit.identity}"

    def result(self, unit: Unit) -> dict[str, Any] | None:
        """What a unit came to, or None."""
        return self.records.get(unit.identity)

    def needed(self, unit: Unit) -> dict[str, Any]:
        """The result of a unit that another one needs, which is run before."""
        found = self.result(unit)
        if found is None:
            raise RuntimeError(f"{unit.title}: no result")
        return found


class Unit(ABC):
    """One piece of work, a frozen dataclass: equal units are one.

    Its life: all of `needs` are done; `compute` runs, is killed, runs again; what it returns is stored as
    `identity`. Two runs give the same, bit for bit on one machine, but for the seconds.
    """

    kind: ClassVar[str]
    case: Case

    @property
    @abstractmethod
    def title(self) -> str:
        """What a progress line calls it."""

    @property
    @abstractmethod
    def conditions(self) -> dict[str, Any]:
        """Everything that its result depends on, as JSON-able values, but for the case's own."""

    @property
    def needs(self) -> tuple[Unit, ...]:
        """What has to be done before."""
        return ()

    @cached_property
    def identity(self) -> str:
        """Its name among the results."""
        return key_of(PROTOCOL, self.kind, self.case.conditions, self.conditions)

    @property
    def estimate(self) -> float:
        """CPU seconds of one core."""
        return dict(self.case.costs).get(self.kind, 60.0)

    def prepare(self, bench: Bench) -> None:  # noqa: B027  # most units need nothing
        """Make what must lie on this machine; it is not counted as the unit's."""

    @abstractmethod
    def compute(self, bench: Bench, meter: Meter) -> dict[str, Any]:
        """Do it, or go on with it; the result in JSON-able values.

        Args:
            meter: knows the CPU seconds that the unit has had so far.
        """


def as_long(times: float) -> str:
    """How a title says that a training is not of the recipe's length."""
    return f", {times:g} times as long" if times != 1 else ""
