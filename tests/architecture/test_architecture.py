from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaces import small, trionet
from tests.helpers.architectures import random_architectures
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.errors import InputError
from trionet_nni.operators.conv import Conv

ISSUE_EXAMPLE = {
    "space": "trionet-small",
    "stages": [
        [
            {"operator": "conv", "expansion": 0.25, "kernel": 3},
            {"operator": "local", "expansion": 0.5, "kernel": 7, "qk": 1.0, "v": 0.5, "heads": 8},
        ],
        [{"operator": "axial", "expansion": 0.5, "qk": 0.5, "v": 1.0, "heads": 4}],
        [{"operator": "conv", "expansion": 0.125, "kernel": 7}],
    ],
}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([trionet.TABLE, small.TABLE]), st.integers(0, 10**6))
def test_every_form_leads_back_to_the_same_network(table, seed):
    (architecture,) = random_architectures(table, 1, seed)
    assert Architecture.from_json(architecture.to_json()) == architecture
    assert Architecture.from_sample(table.space, architecture.to_sample()) == architecture
    assert table.contains(architecture)


def test_json_form_is_the_published_one():
    architecture = Architecture.from_dict(ISSUE_EXAMPLE)
    assert architecture.to_dict() == ISSUE_EXAMPLE
    assert architecture.stages[0][0] == Conv(0.25, 3)


def test_the_hash_ignores_spelling_and_inactive_choices():
    architecture = Architecture.from_dict(ISSUE_EXAMPLE)
    shuffled = json.dumps(ISSUE_EXAMPLE, sort_keys=True, indent=1)
    noise = {"stage1.block1.local.heads": 8, "stage3.block2.operator": "axial"}
    with_inactive = {**noise, **architecture.to_sample()}
    assert Architecture.from_json(shuffled).hash == architecture.hash
    assert Architecture.from_sample("trionet-small", with_inactive).hash == architecture.hash
    # Files of earlier versions must keep their names.
    assert architecture.hash == "0cc672ecc20d6a2c"


def _changed(path: tuple, value: object) -> dict:
    data = json.loads(json.dumps(ISSUE_EXAMPLE))
    place = data
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("space",), "nowhere", "space: found 'nowhere'"),
        (("stages",), 3, "stages: found int"),
        (("stages",), [[]], "stages: found 1, allowed: 3"),
        (("stages", 0), [], r"stages\[0\]: found 0 blocks, allowed: 1 to 2"),
        (("stages", 0, 0, "operator"), "pool", r"stages\[0\]\[0\].operator: found 'pool'"),
        (("stages", 0, 0, "kernel"), 4, r"kernel: found 4, allowed: 3, 5, 7"),
        (("stages", 0, 0, "kernel"), None, "found no 'kernel'"),
        (("stages", 0, 0, "heads"), 4, "found 'heads'"),
        (("stages", 0, 0, "expansion"), 0.001, "whole number of channels"),
        (("stages", 0, 0, "expansion"), True, "rate above 0"),
        (("stages", 0, 0, "expansion"), float("nan"), "rate above 0"),
        (("stages", 0, 1, "heads"), 3, "found 3 heads for 32 qk channels"),
        (("stages", 0, 1, "heads"), -4, "positive integer"),
        (("extra",), 1, "found 'extra'"),
    ],
)
def test_a_wrong_file_gets_one_clear_line(tmp_path: Path, path, value, message):
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps(_changed(path, value)))
    with pytest.raises(InputError, match=message) as caught:
        Architecture.load(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "null", "[]", '"x"', "\x00"])
def test_what_is_no_architecture_is_refused(tmp_path: Path, text):
    file = tmp_path / "wrong.json"
    file.write_text(text)
    with pytest.raises(InputError):
        Architecture.load(file)


def test_missing_and_binary_files_are_refused(tmp_path: Path):
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\x80\x04\x95")
    for file in (binary, tmp_path / "missing.json", tmp_path):
        with pytest.raises(InputError):
            Architecture.load(file)
