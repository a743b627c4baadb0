"""Where a network that is trained comes from: known from the start, or the best of others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from benchmarks.worth.unit import Bench, Unit
from trionet_nni.architecture.architecture import Architecture


class Source(ABC):
    """A network, or the rule that finds it. A frozen dataclass."""

    @property
    @abstractmethod
    def key(self) -> str:
        """What the rule is known by, whatever network it finds."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What a progress line calls it."""

    @property
    def needs(self) -> tuple[Unit, ...]:
        """What has to be done before the network is known."""
        return ()

    @abstractmethod
    def network(self, bench: Bench) -> Architecture:
        """The network."""


@dataclass(frozen=True)
class Given(Source):
    """A network that is known from the start."""

    name: str
    architecture: Architecture

    @property
    def key(self) -> str:
        """The network itself, whatever it is called."""
        return self.architecture.hash

    @property
    def title(self) -> str:
        """Its name."""
        return self.name

    def network(self, bench: Bench) -> Architecture:
        """Known from the start."""
        return self.architecture
