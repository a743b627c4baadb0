"""How long each stage of a search may be on this machine, so that all of it takes the time a user gives."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trionet_nni.errors import InputError
from trionet_nni.plan.plan import Plan
from trionet_nni.settings.changes import Change
from trionet_nni.settings.project import ProjectConfig, RecipeConfig, SupernetConfig
from trionet_nni.training.recipe import resized

OPTION = "--minutes"
_KEPT = 0.15  # of the time, for starting processes and for a machine that gets busier
# Of the rest. A supernet that was trained too little ranks at random, so it has the most; finalists decide
# who wins; candidates are cheap, and after some hundreds nothing better is found.
_CANDIDATES, _FINALISTS = 0.2, 0.3
_MOST_CANDIDATES = 10  # times the first population
_FEWEST_STEPS = 20  # of a training that says anything
_DIGITS = 2  # of chosen numbers: measurements are no finer, and the next search may find this supernet


@dataclass(frozen=True)
class Schedule:
    """What fits into the time.

    Attributes:
        finalist_steps: of each finalist that is trained to the end; 0 where there are none.
        recipe: the supernet's, with these steps and a warm-up that fits.
        trials: NNI's `maxTrialNumber`.
    """

    minutes: float
    supernet_steps: int
    candidates: int
    finalist_steps: int
    recipe: RecipeConfig
    trials: int
    expected: float

    @property
    def changes(self) -> tuple[Change, ...]:
        """Of the experiment's settings."""
        supernet = ("supernet", "recipe")
        found = [
            Change((*supernet, "steps"), self.supernet_steps),
            Change((*supernet, "warmup_epochs"), self.recipe.warmup_epochs),
            Change((*supernet, "warmup"), self.recipe.warmup),
            Change(("maxTrialNumber",), self.trials),
        ]
        if self.finalist_steps:
            found.append(Change(("search", "finalists", "steps"), self.finalist_steps))
        return tuple(found)

    def remarks(self, plan: Plan) -> tuple[str, ...]:
        """What was chosen and from which measurements, in sentences."""
        measured = plan.measured
        lines = [
            f"{OPTION} {self.minutes:g} on {measured.device}: {self.supernet_steps:,} steps of the "
            f"supernet ({measured.step:.2f} s each), {self.candidates:,} candidates "
            f"({measured.candidate:.2f} s each)"
        ]
        if self.finalist_steps:
            lines.append(
                f"and {self.finalist_steps:,} steps of each finalist ({measured.retrain_step:.2f} s each)"
            )
        return (*lines, f"Expected to take {self.expected:.0f} minutes, on a machine as busy as it is now.")


def fitted(plan: Plan, config: ProjectConfig, images: int, minutes: float) -> Schedule:
    """The schedule for so many minutes, from a few measured steps.

    Nothing is longer than it is of use: a supernet is trained for the paper's epochs at most, a finalist as
    long as a retraining, and ten times the first population is scored. The time that others leave is the
    supernet's.

    Args:
        plan: with measured times.
        images: to train the supernet on.
        minutes: from the start to the exported networks.

    Raises:
        InputError: it is too short for anything to be learnt.
    """
    usable = 60 * minutes * (1 - _KEPT)
    measured = plan.measured
    fewest = max(config.search.population, plan.finalists)
    candidates = _rounded(_CANDIDATES * usable * plan.workers / measured.candidate)
    candidates = min(max(candidates, fewest), _MOST_CANDIDATES * config.search.population)
    spent = candidates * measured.candidate / plan.workers
    finalist_steps = 0
    if config.search.finalists is not None:
        one = plan.finalist_steps / config.search.finalists.steps * measured.retrain_step / plan.workers
        finalist_steps = min(_rounded(_FINALISTS * usable / one), plan.retrain_steps)
        spent += finalist_steps * one
    steps_per_epoch = images // config.supernet.recipe.batch_size
    longest = round(SupernetConfig().recipe.epochs * steps_per_epoch)
    supernet_steps = min(_rounded((usable - spent) / measured.step), longest)
    enough = config.search.finalists is None or finalist_steps >= _FEWEST_STEPS
    if supernet_steps < min(_FEWEST_STEPS, longest) or not enough:
        needed = _needed(plan, config, fewest)
        raise InputError(f"{OPTION}: found {minutes:g}, allowed: {needed} or more on this machine")
    recipe = resized(config.supernet.recipe, supernet_steps, steps_per_epoch, "supernet.recipe")
    trials = 1 + candidates + plan.finalists
    expected = (spent + supernet_steps * measured.step) / 60
    return Schedule(minutes, supernet_steps, candidates, finalist_steps, recipe, trials, expected)


def _needed(plan: Plan, config: ProjectConfig, fewest: int) -> int:
    """Minutes in which every stage has its fewest steps."""
    measured, finalists = plan.measured, config.search.finalists
    of_finalists = 0.0
    if finalists is not None:
        one = plan.finalist_steps / finalists.steps * measured.retrain_step / plan.workers
        of_finalists = _FEWEST_STEPS * one
    candidates = fewest * measured.candidate / plan.workers
    together = candidates + 2 * of_finalists + 2 * _FEWEST_STEPS * measured.step
    usable = max(of_finalists / _FINALISTS * 1.1, together / (1 - _FINALISTS) * 1.1)
    return math.ceil(usable / (1 - _KEPT) / 60)


def _rounded(number: float) -> int:
    """Down, to two digits."""
    whole = int(number)
    step: int = 10 ** max(0, len(str(whole)) - _DIGITS)
    return whole // step * step
