"""Which finalists a stretch of time affords, where each of them is to be trained long enough to be judged.

A training that is much shorter than the last one tells how fast a network learns, not how good it ends: a
quarter of the steps rank networks at random, half of them better than a supernet (docs/results.md). So
where time is short there are fewer trainings, not shorter ones, and none at all rather than a winner that
such trainings have chosen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trionet_nni.finalists.halving import rungs, steps_in_turn
from trionet_nni.settings.project import FinalistsConfig

LEAST_SHARE = 0.5  # of a retraining's steps, or what the file says where that is less
FEWEST = 2  # finalists: the best stand-alone network and the best of the others


@dataclass(frozen=True)
class Ladder:
    """Finalists as they could be.

    Attributes:
        turns: trainings that follow one another, of all budgets.
    """

    finalists: FinalistsConfig
    turns: int


def ladders(wanted: FinalistsConfig, retrain_steps: int, budgets: int, workers: int) -> Iterator[Ladder]:
    """Of the fewest steps that are allowed: all that are wanted, no pilots, no repeats, ever fewer."""
    steps = max(1, min(wanted.steps, round(LEAST_SHARE * retrain_steps)))
    tried = [(wanted.count, wanted.repeats, wanted.pilots), (wanted.count, wanted.repeats, 0)]
    tried += [(count, 1, 0) for count in range(wanted.count, FEWEST - 1, -1)]
    for count, repeats, pilots in dict.fromkeys(tried):
        one = wanted.model_copy(
            update={"count": count, "repeats": repeats, "steps": steps, "pilots": pilots}
        )
        yield Ladder(one, steps_in_turn(rungs(**dict(one)), budgets, workers) // steps)


def affordable(
    wanted: FinalistsConfig, retrain_steps: int, budgets: int, workers: int, seconds: float, step: float
) -> Ladder | None:
    """The first of `ladders` that the time is enough for; None: no finalists.

    Args:
        workers: that train at the same time.
        seconds: that all trainings may take.
        step: seconds of an optimizer step.
    """
    for ladder in ladders(wanted, retrain_steps, budgets, workers):
        if ladder.turns * ladder.finalists.steps * step <= seconds:
            return ladder
    return None
