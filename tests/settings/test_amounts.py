"""Numbers and shares of images: what is named stays what it is, and what is not grows with the data."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trionet_nni.errors import InputError
from trionet_nni.settings.amounts import amount_text, recalibration_images, search_images
from trionet_nni.settings.project import DataConfig, parse_project, parse_stored


def project(**data: Any) -> dict[str, Any]:
    return {"space": "spaces.small", "search": {"max_flops": 2e7}, "data": data}


@given(st.integers(1, 10**7))
def test_the_rule_grows_with_the_data_and_leaves_most_of_it(pool: int) -> None:
    found = search_images(pool)
    assert 1 <= found <= max(1, pool // 4) and found <= search_images(pool + 1)
    assert recalibration_images(pool) <= recalibration_images(pool + 1)


def test_of_much_data_one_standard_error_is_a_point() -> None:
    assert math.sqrt(0.25 / search_images(48_000)) == pytest.approx(0.01)


def test_the_four_thousand_digits_are_divided_as_ever() -> None:
    assert (search_images(4_000), recalibration_images(4_000)) == (500, 256)


@pytest.mark.parametrize(
    ("given", "found"),
    [(200, 200), (200.0, 200), ("200", 200), (0.1, 40), (0.0001, 1), (None, 100), (399, 399)],
)
def test_a_number_is_a_number_and_a_share_is_of_the_images(given: Any, found: int) -> None:
    config = DataConfig(search_images=given)
    assert config.search_count(400) == found


@pytest.mark.parametrize("bad", [0, -1, 1.5, 0.0, True, "many", [3], float("nan"), float("inf"), 1e400])
def test_anything_else_is_refused_in_one_line(bad: Any) -> None:
    with pytest.raises(InputError, match=r"^x: data\.search_images: found .*, allowed: .*share") as said:
        parse_project(project(search_images=bad), "x")
    assert "\n" not in str(said.value)


def test_one_image_has_no_variance() -> None:
    with pytest.raises(InputError, match=r"data\.recalibration_images: found 1, allowed: .* from 2 on"):
        parse_project(project(recalibration_images=1), "x")
    assert DataConfig(recalibration_images=1e-9).recalibration_count(10) == 2


def test_what_was_stored_without_them_has_the_numbers_of_then() -> None:
    data = parse_stored(project(), "x").data
    assert (data.search_images, data.recalibration_images) == (500, 256)


def test_a_sentence_has_a_number_or_a_share() -> None:
    assert [amount_text(one) for one in (2500, 0.1)] == ["2,500", "10 % of the"]
    assert amount_text(None)
