"""Warm restarts: the rates of finalists, and a run that is cut at a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.tiny import RECIPE, fresh, same, small_splits
from trionet_nni.errors import InputError
from trionet_nni.training.fit import fingerprint, fit
from trionet_nni.training.recipe import rate, restarting_rate, schedule

STEPS = RECIPE.model_copy(update={"steps": 8, "warmup_epochs": 0.0})


@given(step=st.integers(0, 300), warmup=st.integers(0, 40), total=st.integers(41, 300))
def test_without_restarts_nothing_changes(step: int, warmup: int, total: int) -> None:
    assert restarting_rate(step, warmup, (total,)) == rate(step, warmup, total)


def test_the_rate_falls_to_zero_and_begins_at_the_peak_again() -> None:
    rates = [restarting_rate(step, 4, (20, 40, 80)) for step in range(81)]
    assert rates[4] == rates[20] == rates[40] == 1 and rates[80] == 0
    assert all(rates[end - 1] < 0.02 for end in (20, 40, 80))
    assert rates[0] == 0.25 and sorted(rates[40:80], reverse=True) == rates[40:80]


def test_the_warm_up_ends_before_the_first_restart() -> None:
    recipe = STEPS.model_copy(update={"warmup_epochs": 1.0})  # 4 steps
    network = fresh()
    sgd = torch.optim.SGD(network.parameters(), lr=1)
    with pytest.raises(
        InputError, match=r"warmup_epochs: found 1, allowed: below the first rung's \(0.5\)"
    ):
        schedule(recipe, sgd, 4, restarts=(2, 4))


def test_a_run_in_rungs_is_the_run_in_one_go(tmp_path: Path) -> None:
    train, restarts = small_splits().train, (2, 4)
    whole, cut = fresh(), fresh()
    fit(whole, STEPS, train, tmp_path / "whole", progress=False, restarts=restarts)
    for step in (2, 4, 8):
        cut = fresh()
        done = fit(
            cut, STEPS, train, tmp_path / "cut", progress=False, restarts=restarts, stop_after_steps=step
        )
        assert done["steps"] == step and done["complete"] is (step == 8)
        again = fresh()  # as after a kill between the last step of a rung and its result
        found = fit(
            again, STEPS, train, tmp_path / "cut", progress=False, restarts=restarts, stop_after_steps=step
        )
        assert found["resumed_from"] == found["steps"] == step and same(again, cut)
    assert same(whole, cut)
    plain = fresh()
    fit(plain, STEPS, train, tmp_path / "plain", progress=False)
    assert not same(whole, plain)
    assert fingerprint(plain, STEPS, train) != fingerprint(plain, STEPS, train, restarts)
