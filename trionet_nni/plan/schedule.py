"""How long each stage of a search may be on this machine, so that all of it takes the time a user gives."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trionet_nni.errors import InputError
from trionet_nni.finalists.halving import rungs
from trionet_nni.finalists.halving import trials as finalist_trials
from trionet_nni.plan.affordable import affordable, ladders
from trionet_nni.plan.plan import Plan
from trionet_nni.settings.changes import Change
from trionet_nni.settings.project import FinalistsConfig, ProjectConfig, RecipeConfig, SupernetConfig
from trionet_nni.training.recipe import resized

OPTION = "--minutes"
_KEPT = 0.15  # of the time, for starting processes and for a machine that gets busier
# Of the rest. A supernet that was trained too little ranks at random, so it has the most; finalists decide
# who wins; candidates are cheap, and after some hundreds nothing better is found.
_CANDIDATES, _FINALISTS = 0.2, 0.3
_MOST_CANDIDATES = 10  # times the first population
_FEWEST_STEPS = 20  # of a supernet that says anything
_DIGITS = 2  # of chosen numbers: measurements are no finer, and the next search may find this supernet


@dataclass(frozen=True)
class Schedule:
    """What fits into the time.

    Attributes:
        finalists: who is trained from scratch, and how long; None where nobody is.
        wanted: what the experiment says of them.
        recipe: the supernet's, with these steps and a warm-up that fits.
        trials: NNI's `maxTrialNumber`.
        expected: minutes that it takes.
        budgets: each has finalists of its own.
        with_finalists: minutes that are enough for the fewest of them.
    """

    minutes: float
    supernet_steps: int
    candidates: int
    finalists: FinalistsConfig | None
    wanted: FinalistsConfig | None
    recipe: RecipeConfig
    trials: int
    expected: float
    budgets: int
    with_finalists: int

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
        if self.finalists != self.wanted:
            section = ("search", "finalists")
            fields = {} if self.finalists is None else dict(self.finalists)
            found += [Change((*section, name), value) for name, value in fields.items()]
            if not fields:
                found.append(Change(section, None))
        return tuple(found)

    def remarks(self, plan: Plan) -> tuple[str, ...]:
        """What was chosen and from which measurements, in sentences."""
        measured = plan.measured
        lines = [
            f"{OPTION} {self.minutes:g} on {measured.device}: {self.supernet_steps:,} steps of the "
            f"supernet ({measured.step:.2f} s each), {self.candidates:,} candidates "
            f"({measured.candidate:.2f} s each)"
        ]
        if self.wanted is not None:
            lines.append(self._of_finalists(plan))
        return (*lines, f"Expected to take {self.expected:.0f} minutes, on a machine as busy as it is now.")

    def _of_finalists(self, plan: Plan) -> str:
        found, seconds = self.finalists, f"{plan.measured.finalist_step:.2f} s each"
        if found is None:
            return (
                f"and no finalists: each would be trained too little ({seconds}) to tell which network is "
                f"best in the end. From {OPTION} {self.with_finalists} on there are some."
            )
        times = "once" if found.repeats == 1 else f"up to {found.repeats} times"
        whom = f"{found.count} finalists" + (" of each budget" if self.budgets > 1 else "")
        before = f" and {found.pilots} pilots" if found.pilots else ""
        return f"and {found.steps:,} steps of each of {whom}{before} ({seconds}), trained {times}"


def fitted(plan: Plan, config: ProjectConfig, images: int, minutes: float) -> Schedule:
    """The schedule for so many minutes, from a few measured steps.

    Nothing is longer than it is of use: a supernet is trained for the paper's epochs at most, a finalist as
    long as a retraining, and ten times the first population is scored. Nor is a finalist trained too little
    to be judged (`trionet_nni.plan.affordable`). The time that others leave is the supernet's.

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
    finalists, steps = _finalists(plan, config, min(_FINALISTS * usable, usable - spent))
    spent += steps * measured.finalist_step
    steps_per_epoch = images // config.supernet.recipe.batch_size
    longest = round(SupernetConfig().recipe.epochs * steps_per_epoch)
    supernet_steps = min(_rounded((usable - spent) / measured.step), longest)
    if supernet_steps < min(_FEWEST_STEPS, longest):
        needed = _needed(plan, fewest)
        raise InputError(f"{OPTION}: found {minutes:g}, allowed: {needed} or more on this machine")
    recipe = resized(config.supernet.recipe, supernet_steps, steps_per_epoch, "supernet.recipe")
    budgets = len(config.search.limits)
    trainings = 0 if finalists is None else finalist_trials(rungs(**dict(finalists)), budgets)
    expected = (spent + supernet_steps * measured.step) / 60
    return Schedule(
        minutes,
        supernet_steps,
        candidates,
        finalists,
        config.search.finalists,
        recipe,
        1 + candidates + trainings,
        expected,
        budgets,
        _with_finalists(plan, config, fewest),
    )


def _finalists(plan: Plan, config: ProjectConfig, seconds: float) -> tuple[FinalistsConfig | None, int]:
    """Who can be trained in that time, each as long as it allows, and steps that follow one another."""
    wanted = config.search.finalists
    if wanted is None:
        return None, 0
    step, budgets = plan.measured.finalist_step, len(config.search.limits)
    found = affordable(wanted, plan.retrain_steps, budgets, plan.workers, seconds, step)
    if found is None:
        return None, 0
    least = found.finalists.steps
    longer = min(max(_rounded(seconds / step / found.turns), least), max(plan.retrain_steps, least))
    return found.finalists.model_copy(update={"steps": longer}), found.turns * longer


def _with_finalists(plan: Plan, config: ProjectConfig, fewest: int) -> int:
    """Minutes in which the fewest finalists have their fewest steps, beside the fewest candidates."""
    wanted = config.search.finalists
    if wanted is None:
        return 0
    *_, least = ladders(wanted, plan.retrain_steps, len(config.search.limits), plan.workers)
    seconds = least.turns * least.finalists.steps * plan.measured.finalist_step
    candidates = fewest * plan.measured.candidate / plan.workers
    usable = max(seconds / _FINALISTS, seconds + candidates)
    return math.ceil(usable / (1 - _KEPT) / 60)


def _needed(plan: Plan, fewest: int) -> int:
    """Minutes in which a supernet has its fewest steps, and the first population is scored."""
    measured = plan.measured
    usable = fewest * measured.candidate / plan.workers + 2 * _FEWEST_STEPS * measured.step
    return math.ceil(1.1 * usable / (1 - _CANDIDATES - _FINALISTS) / (1 - _KEPT) / 60)


def _rounded(number: float) -> int:
    """Down, to two digits."""
    whole = int(number)
    step: int = 10 ** max(0, len(str(whole)) - _DIGITS)
    return whole // step * step
