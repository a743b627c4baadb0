"""`--set`: what it changes, and that its mistakes are told like the file's own, naming the option."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.helpers.checkout import ROOT
from trionet_nni.errors import InputError
from trionet_nni.experiment.check import check_experiment
from trionet_nni.experiment.effective import effective_text, write_effective
from trionet_nni.experiment.open import open_experiment
from trionet_nni.settings.changes import changed, parse_changes

QUICKSTART = ROOT / "experiments" / "quickstart.yml"


def test_changes_are_made_in_a_copy_and_the_last_one_counts() -> None:
    document = {"a": {"b": 1}}
    found = changed(document, parse_changes(["a.b=2", "a.b=3", "a.c=[1, 2]", "x.y=null", "t=1e-3"]))
    assert found == {"a": {"b": 3, "c": [1, 2]}, "x": {"y": None}, "t": "1e-3"}
    assert document == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("search.population", "--set: found 'search.population', allowed: section.field=value"),
        ("=3", "--set: found '=3', allowed: section.field=value"),
        ("a..b=3", "--set: found 'a..b=3', allowed: section.field=value"),
        ("a=[1", "--set 'a=[1': found no readable value"),
        ("a=!!python/name:os.system", "--set 'a=!!python/name:os.system': found no readable value"),
    ],
)
def test_what_is_no_change_is_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError) as said:
        parse_changes([text])
    assert str(said.value).startswith(message) and "\n" not in str(said.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("search.population=1", "search.population: found 1, allowed: "),
        ("search.popluation=9", "search.popluation: found 9, allowed: no such key, but strategy"),
        ("retrain.lr=1", "retrain.lr: found 1, allowed: no such key"),
        ("trialConcurrency=0", "trialConcurrency: found 0, allowed: "),
        ("search.max_flops=1", "search.max_flops: found 1, allowed: "),
        ("maxTrialNumber=3", "maxTrialNumber: found 3, allowed: "),
        ("data.search_images=4000", "data.search_images: found 4000, allowed: below 4000"),
    ],
)
def test_a_bad_value_is_told_as_of_the_file_and_names_the_option(text: str, message: str) -> None:
    with pytest.raises(InputError) as said:
        check_experiment(open_experiment(QUICKSTART, parse_changes([text])))
    assert str(said.value).startswith(f"{QUICKSTART} with --set {text}: ") and message in str(said.value)


def test_a_value_is_no_section() -> None:
    with pytest.raises(InputError, match=r"^--set \S*space\.x=1: found space, which is 'spaces.small'"):
        open_experiment(QUICKSTART, parse_changes(["space.x=1"]))


def test_the_file_that_is_run_says_the_same_from_anywhere(tmp_path: Path) -> None:
    changes = parse_changes(
        ["search.population=7", "trialConcurrency=1", f"experimentWorkingDirectory={tmp_path}"]
    )
    experiment = open_experiment(QUICKSTART, changes)
    path = write_effective(experiment, effective_text(experiment, ["Chosen by hand."]))
    again = open_experiment(path)
    assert path.is_relative_to(tmp_path) and again.config == experiment.config
    assert again.code == experiment.code == ROOT and again.working == tmp_path
    assert again.settings["trialConcurrency"] == 1 and again.config.search.population == 7
    text = path.read_text()
    assert "--set search.population=7" in text.splitlines()[0] and "# Chosen by hand." in text
    assert yaml.safe_load(text)["trialCodeDirectory"] == str(ROOT)
