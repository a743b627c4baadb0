"""Who takes part among the finalists: chosen by the supernet alone, or by what pilots teach."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.finalists.halving import choose
from trionet_nni.finalists.pilots import choose_pilots, followers
from trionet_nni.settings.project import FinalistsConfig, Metric
from trionet_nni.supernet.results import Evaluation

Brackets = list[list[Architecture]]  # one of each budget


@dataclass(frozen=True)
class Field:
    """The finalists of one experiment.

    Attributes:
        config: how many there are, and how many of them are pilots.
        table: of the space.
        metric: what the supernet ranks by.
        ranked: gives the candidates of each budget, the best first; asked when the search is over.
    """

    config: FinalistsConfig
    table: SpaceTable
    metric: Metric
    ranked: Callable[[], Sequence[Sequence[Evaluation]]]

    def pilots(self) -> Brackets:
        """Of each budget who is trained before the others are chosen; empty where nobody is."""
        if not self.config.pilots:
            return []
        return [list(choose_pilots(_networks(one), self.config.pilots)) for one in self.ranked()]

    def finalists(self, pilots: Sequence[Sequence[Architecture]], losses: Mapping[str, float]) -> Brackets:
        """Of each budget all finalists.

        Args:
            pilots: as `pilots` gave them; they are finalists too.
            losses: of those that have one, by hash.
        """
        budgets = self.ranked()
        if not pilots:
            return [list(choose(_networks(one), self.config.count)) for one in budgets]
        return followers(budgets, pilots, losses, self.table, self.metric, self.config.count)


def _networks(ranked: Sequence[Evaluation]) -> list[Architecture]:
    return [one.architecture for one in ranked]
