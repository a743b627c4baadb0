"""Settings that were stored before a field had a name mean what they meant then."""

from __future__ import annotations

import json

import pytest

from trionet_nni.errors import InputError
from trionet_nni.settings.before import BEFORE, as_before, without_former
from trionet_nni.settings.project import FinalistsConfig, ProjectConfig, parse_project, parse_stored

FILE = {"space": "spaces.small", "search": {"max_flops": 2e7}}


def stored(config: ProjectConfig) -> dict[str, dict[str, object]]:
    """What an experiment writes down when it begins."""
    return dict(json.loads(config.model_dump_json()))


def test_an_experiment_of_now_is_stored_and_read_as_it_is() -> None:
    config = parse_project(FILE, "a.yml")
    assert parse_stored(stored(config), "x") == config
    for section, values in BEFORE.items():
        assert stored(config)[section].keys() >= values.keys()  # it says them all
        for field, former in values.items():  # a new experiment does not do as of old
            assert getattr(getattr(config, section), field) != former


def test_one_of_before_goes_on_as_it_began() -> None:
    old = stored(parse_project(FILE, "a.yml"))
    for section, values in BEFORE.items():
        for field in values:
            del old[section][field]
    again = parse_stored(old, "x")
    for section, values in BEFORE.items():
        for field, former in values.items():
            assert getattr(getattr(again, section), field) == former
    assert (
        parse_stored({"space": "spaces.small", "search": {"max_flops": 1}}, "x").search.metric == "accuracy"
    )


@pytest.mark.parametrize("bad", [None, 3, [], {"search": 3}, {"search": None}, {"data": []}])
def test_what_is_no_settings_is_refused_in_one_line(bad: object) -> None:
    with pytest.raises(InputError) as said:
        parse_stored(bad, "x")
    assert "\n" not in str(said.value)


def test_a_key_made_of_the_fields_is_as_it_was() -> None:
    assert without_former("search", {"max_flops": 1, **BEFORE["search"]}) == {"max_flops": 1}
    assert without_former("search", {"metric": "loss"}) == {"metric": "loss"}
    assert as_before({"search": {"metric": "loss"}})["search"]["metric"] == "loss"


def test_finalists_without_halvings_were_trained_once_each() -> None:
    assert FinalistsConfig(**{"count": 6, "steps": 10, "halvings": 0}) == FinalistsConfig(
        count=6, steps=10, repeats=1
    )
    assert FinalistsConfig(steps=10).repeats > 1
    with pytest.raises(ValueError, match="halvings 0, or left out"):
        FinalistsConfig(**{"count": 6, "steps": 10, "halvings": 2})
