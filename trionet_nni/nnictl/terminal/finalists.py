"""How far the finalists of an experiment are, read from what their trials have stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from trionet_nni.finalists.halving import Training, rungs
from trionet_nni.finalists.results import FinalistStore, Standing
from trionet_nni.settings.project import FinalistsConfig
from trionet_nni.supernet.curve import Curve
from trionet_nni.supernet.folder import CURVE


@dataclass(frozen=True)
class FinalistProgress:
    """The finalists of all budgets at one moment.

    Attributes:
        rung, rungs: the lowest one that is not complete, and how many there are.
        done, total: trainings, and how many there will be.
        step, steps: optimizer steps of all networks together, done and in all.
        best: the preliminary winner of the largest budget.
    """

    rung: int
    rungs: int
    done: int
    total: int
    step: int
    steps: int
    best: Standing | None = None


class FinalistWatch:
    """Looks at the finalists of one experiment.

    Args:
        store: what is known of them.
        config: how many there are, and how long they are trained.
    """

    def __init__(self, store: FinalistStore, config: FinalistsConfig) -> None:
        self._store, self._ladder, self._count = store, rungs(**dict(config)), config.count

    def look(self) -> FinalistProgress | None:
        """Where they are now; None before it is settled who takes part."""
        settled = self._store.settled()
        if settled is None:
            return None
        brackets, to_follow = settled.brackets, 0 if settled.whole else self._count
        networks = list({network.hash: network for bracket in brackets for network in bracket}.values())
        known = self._store.losses(networks, self._ladder)
        missing = [one.rung.number for one in self._store.missing(self._ladder, settled)]
        step = sum(self._step(Training(network, rung)) for network in networks for rung in self._ladder)
        winners = [ended[0] for ended in self._store.ordered(self._ladder, settled) if ended]
        planned = list(self._planned([len(bracket) + to_follow for bracket in brackets]))
        over = not missing and not to_follow
        return FinalistProgress(
            1 if to_follow else min(missing, default=len(self._ladder)),
            len(self._ladder),
            len(known),
            len(known) if over else sum(count for count, _ in planned),
            step,
            step if over else sum(count * steps for count, steps in planned),
            winners[-1] if winners else None,
        )

    def _planned(self, sizes: Iterable[int]) -> Iterator[tuple[int, int]]:
        """Trainings on a rung, and steps of each; a network that budgets share counts for each of them."""
        for size in sizes:
            for rung in self._ladder:
                yield min(rung.networks, size), rung.steps

    def _step(self, training: Training) -> int:
        """Of the last point of its curve, which its trial writes before it reports it."""
        points = Curve(self._store.run(training) / CURVE).points()
        return int(max((point.get("step", 0) for point in points), default=0))
