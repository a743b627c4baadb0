"""Which finalists a stretch of time affords, where each of them is to be trained long enough to be judged.

A training that is much shorter than the last one tells how fast a network learns, not how good it ends: a
quarter of the steps rank networks at random, half of them better than a supernet (docs/results.md). So
where time is short there are fewer trainings, not shorter ones, and none at all rather than a winner that
such trainings have chosen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trionet_nni.finalists.halving import rungs, training_steps
from trionet_nni.settings.project import FinalistsConfig

LEAST_SHARE = 0.5  # of a retraining's steps, or what the file says where that is less
FEWEST = 2  # finalists: the best stand-alone network and the best of the others


@dataclass(frozen=True)
class Ladder:
    """Finalists as they could be.

    Attributes:
        together: optimizer steps of all trainings of all budgets.
    """

    finalists: FinalistsConfig
    together: int


def ladders(wanted: FinalistsConfig, retrain_steps: int, budgets: int) -> Iterator[Ladder]:
    """Of the fewest steps that are allowed: all that are wanted, no pilots, no repeats, ever fewer."""
    steps = max(1, min(wanted.steps, round(LEAST_SHARE * retrain_steps)))
    tried = [(wanted.count, wanted.repeats, wanted.pilots), (wanted.count, wanted.repeats, 0)]
    tried += [(count, 1, 0) for count in range(wanted.count, FEWEST - 1, -1)]
    for count, repeats, pilots in dict.fromkeys(tried):
        one = wanted.model_copy(
            update={"count": count, "repeats": repeats, "steps": steps, "pilots": pilots}
        )
        yield Ladder(one, training_steps(rungs(**dict(one)), budgets))


def affordable(
    wanted: FinalistsConfig, retrain_steps: int, budgets: int, seconds: float, step: float
) -> Ladder | None:
    """The first of `ladders` that the time is enough for; None: no finalists.

    Args:
        seconds: that all trainings together may take, one after the other.
        step: seconds of an optimizer step.
    """
    for ladder in ladders(wanted, retrain_steps, budgets):
        if ladder.together * step <= seconds:
            return ladder
    return None
