"""A schedule fits the time it was made for, and says what does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.helpers.checkout import ROOT
from trionet_nni.errors import InputError
from trionet_nni.finalists.halving import rungs, steps_in_turn, training_steps, trials
from trionet_nni.plan.affordable import ladders
from trionet_nni.plan.measure import Timings
from trionet_nni.plan.plan import Plan
from trionet_nni.plan.schedule import fitted
from trionet_nni.settings.changes import Change
from trionet_nni.settings.project import FinalistsConfig, ProjectConfig, RecipeConfig, load_experiment

MINE = load_experiment(ROOT / "experiments" / "mine.yml")
assert MINE.search.finalists is not None
WANTED = MINE.search.finalists


def plan(
    config: ProjectConfig, step: float, candidate: float, finalist_step: float, workers: int = 1
) -> Plan:
    finalists = config.search.finalists
    ladder = () if finalists is None else rungs(**dict(finalists))
    steps, turns = training_steps(ladder), steps_in_turn(ladder, 1, workers)
    measured = Timings("cpu", step, candidate, finalist_step, finalist_step / 2, 1e9, 32, 10**6, 10**6)
    return Plan(
        *("folder", None, {"train": 3500}, 5, 300, 1000, 32, "loss"),
        *(
            0 if finalists is None else 6,
            steps,
            turns,
            workers,
            (1, 2),
            {},
            {},
            measured,
            10**6,
            {},
            10**12,
        ),
    )


@given(
    st.floats(1, 10_000),
    st.floats(0.001, 5),
    st.floats(0.01, 5),
    st.floats(0.001, 2),
    st.integers(33, 10**6),
    st.integers(1, 9),
)
def test_it_takes_no_longer_than_asked_for(
    minutes: float, step: float, candidate: float, finalist_step: float, images: int, workers: int
) -> None:
    measured = plan(MINE, step, candidate, finalist_step, workers)
    try:
        found = fitted(measured, MINE, images, minutes)
    except InputError as error:
        assume(str(error).startswith("--minutes: found "))
        allowed = int(str(error).rpartition("allowed: ")[2].split()[0])
        assert allowed >= minutes
        fitted(measured, MINE, images, allowed)  # what it allows is allowed
        return
    assert found.expected <= minutes
    assert found.candidates >= MINE.search.population
    assert all(len(str(n).rstrip("0")) <= 3 for n in (found.candidates,))
    if found.finalists is None:
        assert minutes < found.with_finalists and found.trials == 1 + found.candidates
        return
    assert min(WANTED.steps, measured.retrain_steps // 2) <= found.finalists.steps <= measured.retrain_steps
    assert found.trials == 1 + found.candidates + trials(rungs(**dict(found.finalists)))


def test_more_time_is_more_of_everything() -> None:
    measured = plan(MINE, 0.6, 0.5, 0.2)
    short, long = (fitted(measured, MINE, 3500, minutes) for minutes in (20, 60))
    assert long.supernet_steps > short.supernet_steps
    assert short.finalists is not None and long.finalists is not None
    assert long.finalists.count >= short.finalists.count


def test_short_of_time_there_are_fewer_finalists_not_shorter_trainings() -> None:
    wanted = FinalistsConfig(count=6, steps=600, repeats=2)
    config = MINE.model_copy(update={"search": MINE.search.model_copy(update={"finalists": wanted})})
    measured = plan(config, 0.1, 0.05, 0.2)  # 100 s of a training, at the least
    found = [fitted(measured, config, 3500, minutes).finalists for minutes in (1, 20, 30, 60, 200)]
    assert found[0] is None
    sizes = [(one.count, one.repeats) for one in found[1:] if one is not None]
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1] == (6, 2)
    said = fitted(measured, config, 3500, 1)
    assert Change(("search", "finalists"), None) in said.changes
    (line,) = (line for line in said.remarks(measured) if "no finalists" in line)
    least = fitted(measured, config, 3500, said.with_finalists).finalists
    assert f"--minutes {said.with_finalists} on" in line and least is not None


def test_short_of_time_pilots_go_before_repeats() -> None:
    wanted = WANTED.model_copy(update={"pilots": 8, "repeats": 2})
    tried = [ladder.finalists for ladder in ladders(wanted, 100, 1, 1)]
    assert [(one.pilots, one.repeats) for one in tried[:3]] == [(8, 2), (0, 2), (0, 1)]
    turns = [ladder.turns for ladder in ladders(wanted, 100, 1, 1)]
    assert turns == sorted(turns, reverse=True)


def test_workers_share_trainings_so_that_more_finalists_fit() -> None:
    wanted = FinalistsConfig(count=6, steps=600, repeats=2)
    config = MINE.model_copy(update={"search": MINE.search.model_copy(update={"finalists": wanted})})
    alone, four = (
        fitted(plan(config, 0.1, 0.05, 0.2, workers), config, 3500, 20).finalists for workers in (1, 4)
    )
    assert alone is not None and four is not None
    assert (alone.count, alone.repeats) < (four.count, four.repeats)
    turns = [ladder.turns for ladder in ladders(wanted.model_copy(update={"pilots": 8}), 100, 2, 4)]
    assert turns == sorted(turns, reverse=True)


def test_dear_candidates_are_counted_before_finalists_are_promised() -> None:
    """All but half a second of the time is the first population's: 16 candidates of 4.75 s."""
    measured = plan(MINE, 0.01, 4.75, 0.001)
    found = fitted(measured, MINE, 3500, 76.5 / 0.85 / 60)
    assert found.finalists is None and found.minutes < found.with_finalists
    assert fitted(measured, MINE, 3500, found.with_finalists).finalists is not None


def test_a_finalist_has_half_of_a_retraining_where_the_file_says_more() -> None:
    wanted = WANTED.model_copy(update={"steps": 900})
    assert {ladder.finalists.steps for ladder in ladders(wanted, 1000, 3, 1)} == {500}
    assert {ladder.finalists.steps for ladder in ladders(wanted, 10_000, 3, 1)} == {900}
    first, *_, last = ladders(wanted, 1000, 3, 1)
    assert (first.finalists.count, first.finalists.repeats) == (wanted.count, wanted.repeats)
    assert (last.finalists.count, last.finalists.repeats, last.turns) == (2, 1, 3 * 2)


def test_a_warm_up_in_epochs_gives_way_to_a_short_run() -> None:
    recipe = RecipeConfig(epochs=100, warmup_epochs=10, batch_size=32)
    config = MINE.model_copy(update={"supernet": MINE.supernet.model_copy(update={"recipe": recipe})})
    found = fitted(plan(config, 1.0, 0.5, 0.2), config, 3500, 10)
    assert found.recipe.warmup == pytest.approx(0.1) and found.recipe.warmup_epochs is None
    said = {".".join(change.path): change.value for change in found.changes}
    assert said["supernet.recipe.steps"] == found.supernet_steps


def test_without_finalists_the_supernet_has_their_time() -> None:
    config = MINE.model_copy(update={"search": MINE.search.model_copy(update={"finalists": None})})
    measured = plan(MINE, 0.6, 0.5, 0.2)
    alone = fitted(replace(measured, finalists=0, finalist_steps=0), config, 3500, 30)
    assert alone.finalists is None and not any("finalists" in line for line in alone.remarks(measured))
    assert alone.supernet_steps > fitted(measured, MINE, 3500, 30).supernet_steps
