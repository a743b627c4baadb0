"""The warm-up in epochs or as a share: never both, never longer than a run, and as before where it fits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trionet_nni.errors import InputError
from trionet_nni.settings.project import RecipeConfig, parse_project
from trionet_nni.training.recipe import check_warmup, resized, warmup_steps


def project(**recipe: Any) -> dict[str, Any]:
    return {"space": "spaces.small", "search": {"max_flops": 2e7}, "retrain": recipe}


def test_an_old_recipe_is_known_by_what_it_was_known_by() -> None:
    assert RecipeConfig().warmup_epochs == 10
    assert "warmup" not in RecipeConfig().identity()
    assert RecipeConfig(warmup=0.1).identity()["warmup"] == 0.1


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (
            {"warmup": 0.1, "warmup_epochs": 2},
            r"warmup: found 0\.1, allowed: .*left out beside warmup_epochs",
        ),
        ({"warmup_epochs": None}, r"warmup: found None, allowed: .*a share of the run"),
        ({"warmup": 1}, r"warmup: found 1, allowed: .*less than 1"),
        ({"warmup": -0.1}, r"warmup: found -0\.1, allowed: .*greater than or equal to 0"),
    ],
)
def test_two_warm_ups_or_none_are_one_line(recipe: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=r"^x: retrain\." + message) as said:
        parse_project(project(**recipe), "x")
    assert "\n" not in str(said.value)


def test_what_is_written_down_is_read_again() -> None:
    for recipe in (RecipeConfig(warmup=0.1), RecipeConfig(warmup_epochs=3), RecipeConfig()):
        assert RecipeConfig.model_validate(recipe.model_dump()) == recipe


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 10**6), st.integers(1, 10**4))
def test_a_share_is_always_shorter_than_the_run(share: float, steps: int, per_epoch: int) -> None:
    recipe = RecipeConfig(warmup=share, steps=steps)
    assert warmup_steps(recipe, per_epoch) <= share * steps < steps
    check_warmup(recipe, per_epoch)


@given(
    st.one_of(
        st.builds(lambda share: {"warmup": share}, st.floats(0, 1, exclude_max=True)),
        st.builds(lambda epochs: {"warmup_epochs": epochs}, st.floats(0, 9.9)),
    ),
    st.integers(14, 10**5),
    st.integers(20, 2_000),
)
def test_no_finalist_is_refused_because_of_the_warm_up(
    warmup: dict[str, float], steps: int, per_epoch: int
) -> None:
    recipe = resized(RecipeConfig(epochs=10.1, **warmup), steps, per_epoch, "retrain")
    assert recipe.steps == steps and warmup_steps(recipe, per_epoch) < steps
    check_warmup(recipe, per_epoch)


def test_epochs_that_fit_stay_and_others_keep_their_share() -> None:
    recipe = RecipeConfig(epochs=20, warmup_epochs=2)
    assert resized(recipe, 400, 100, "retrain") == recipe.model_copy(update={"steps": 400})
    short = resized(recipe, 100, 100, "retrain")
    assert warmup_steps(short, 100) == 10  # a tenth, as of its own run


def test_a_warm_up_longer_than_its_own_run_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"^retrain\.warmup_epochs: found 10, allowed: below the whole run"
    ):
        resized(RecipeConfig(epochs=5), 100, 100, "retrain")
