"""Properties of everything that is written and read again: architectures and configurations."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spaces.small import TABLE as SMALL
from spaces.tiny import TABLE as TINY
from spaces.trionet import TABLE as TRIONET
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.errors import InputError
from trionet_nni.files.text import parse_json
from trionet_nni.files.yaml import read_yaml
from trionet_nni.segmentation.file import parse_config
from trionet_nni.segmentation.shared.config import SegmentationConfig
from trionet_nni.settings.project import (
    DataConfig,
    ProjectConfig,
    RecipeConfig,
    SearchConfig,
    parse_project,
)

settings.register_profile(
    "ours", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("ours")


@st.composite
def architectures(draw: st.DrawFn) -> tuple[SpaceTable, Architecture]:
    """Any network of one of three spaces."""
    table = draw(st.sampled_from((TINY, SMALL, TRIONET)))
    stages = [
        tuple(draw(st.sampled_from(table.blocks)) for _ in range(draw(st.sampled_from(depths))))
        for depths in table.depths
    ]
    return table, Architecture(table.space, tuple(stages))


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(architectures())
def test_architecture_json_and_sample_are_the_same_network(found: tuple[SpaceTable, Architecture]) -> None:
    table, network = found
    assert Architecture.from_json(network.to_json()) == network
    assert Architecture.from_dict(json.loads(json.dumps(network.to_dict(), sort_keys=True))) == network
    assert Architecture.from_sample(table.space, network.to_sample()) == network
    again = Architecture.from_sample(table.space, json.loads(json.dumps(network.to_sample())))
    assert again.hash == network.hash and again.to_json() == network.to_json()
    assert table.contains(network)


@given(architectures(), _TEXT, _JSON)
def test_labels_of_no_choice_change_nothing(
    found: tuple[SpaceTable, Architecture], label: str, value: Any
) -> None:
    table, network = found
    sample = network.to_sample()
    assert Architecture.from_sample(table.space, {label: value, **sample}) == network


@given(architectures(), architectures())
def test_the_hash_tells_networks_apart(
    one: tuple[SpaceTable, Architecture], other: tuple[SpaceTable, Architecture]
) -> None:
    assert (one[1].hash == other[1].hash) == (one[1] == other[1])


@given(architectures(), st.data())
def test_one_other_value_is_another_network_or_refused(
    found: tuple[SpaceTable, Architecture], data: st.DataObject
) -> None:
    table, network = found
    sample = network.to_sample()
    label, value = data.draw(st.sampled_from(sorted(sample))), data.draw(_JSON)
    try:
        changed = Architecture.from_sample(table.space, {**sample, label: value})
    except InputError as error:
        assert str(error).isprintable() and "found " in str(error) and "allowed: " in str(error)
    else:
        right = changed.to_sample().get(label)
        assert right == value and type(value) is not bool


@given(_JSON)
def test_any_json_is_refused_as_an_architecture_in_one_line(document: Any) -> None:
    with pytest.raises(InputError) as refused:
        Architecture.from_json(json.dumps(document))
    assert str(refused.value).isprintable() and "allowed: " in str(refused.value)


@given(_JSON)
def test_json_is_read_as_it_was_written(document: Any) -> None:
    text = json.dumps(document)
    assert json.dumps(parse_json(text)) == text


def _numbers(least: float, most: float) -> st.SearchStrategy[float]:
    return st.floats(least, most, allow_nan=False, exclude_min=True)


_RECIPES = st.builds(
    RecipeConfig,
    epochs=_numbers(0, 1e6),
    steps=st.none() | st.integers(1, 10**9),
    batch_size=st.integers(1, 10**6),
    learning_rate=_numbers(0, 1e6),
    momentum=st.floats(0, 0.999),
    nesterov=st.booleans(),
    label_smoothing=st.floats(0, 0.999),
    augment=st.sampled_from(("none", "shift", "resized-crop-flip-jitter")),
    seed=st.integers(0, 2**32 - 1),
    precision=st.sampled_from(("auto", "32-true", "bf16-mixed")),
)
_PROJECTS = st.builds(
    ProjectConfig,
    space=st.sampled_from(("spaces.tiny", "spaces.trionet")),
    data=st.builds(
        DataConfig,
        name=st.sampled_from(("digits", "folder", "cub-2011")),
        root=st.none() | _TEXT,
        image_size=st.integers(8, 4096),
        test_fraction=st.floats(0.001, 0.999),
        bad_images=st.sampled_from(("refuse", "skip")),
    ),
    search=st.builds(
        SearchConfig,
        max_flops=_numbers(0, 1e15),
        population=st.integers(2, 10**6),
        mutation=_numbers(0, 1),
    ),
    retrain=_RECIPES,
    finetune=_RECIPES,
)


@given(_PROJECTS)
def test_a_configuration_is_read_from_json_and_yaml_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, config: ProjectConfig
) -> None:
    document = config.model_dump(mode="json")
    path = tmp_path_factory.getbasetemp() / "project.yml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    for again in (
        parse_project(json.loads(json.dumps(document)), "x"),
        parse_project(read_yaml(path), "x"),
    ):
        assert again == config and again.supernet_hash() == config.supernet_hash()


_SECTIONS = {
    "": "space data supernet search retrain finetune",
    "data": "name root image_size test_fraction search_images seed workers bad_images",
    "search": "strategy budgets max_flops min_flops band metric population mutation retries warm seed",
    "retrain": "epochs steps batch_size learning_rate momentum nesterov augment precision seed",
}
_FIELDS = [(section, field) for section, fields in _SECTIONS.items() for field in fields.split()]


@given(_PROJECTS, st.sampled_from(_FIELDS), _JSON)
def test_any_value_of_a_field_is_taken_as_it_is_or_refused_in_one_line(
    config: ProjectConfig, at: tuple[str, str], value: Any
) -> None:
    document, (section, field) = config.model_dump(mode="json"), at
    (document[section] if section else document)[field] = value
    try:
        again = parse_project(document, "x.yml")
    except InputError as error:
        message = str(error)
        assert message.startswith("x.yml: ") and message.isprintable() and len(message) < 1100
        assert field in message or "max_flops" in message  # `budgets` may contradict it
        assert "found " in message and "allowed: " in message
    else:
        assert parse_project(again.model_dump(mode="json"), "x") == again


@given(_PROJECTS, st.sampled_from(sorted(_SECTIONS)), _TEXT, _JSON)
def test_an_unknown_key_is_named_with_those_that_there_are(
    config: ProjectConfig, section: str, key: str, value: Any
) -> None:
    document = config.model_dump(mode="json")
    place = document[section] if section else document
    if key in place:
        return
    place[key] = value
    with pytest.raises(InputError) as refused:
        parse_project(document, "x.yml")
    assert "allowed: no such key, but " in str(refused.value) and str(refused.value).isprintable()
    assert _SECTIONS[section].split()[0] in str(refused.value)


@given(_JSON)
def test_any_document_is_refused_as_a_segmentation_run(document: Any) -> None:
    with pytest.raises(InputError) as refused:
        parse_config(document, "x.yml")
    assert str(refused.value).startswith("x.yml") and "allowed: " in str(refused.value)


@given(
    st.builds(
        dict,
        optimizer=st.sampled_from(("sgd", "adam")),
        learning_rate=_numbers(0, 100),
        batch_size=st.integers(2, 4096),
        iterations=st.integers(1, 10**9),
        crop_size=st.integers(16, 8192),
        scale=st.tuples(_numbers(0, 1), _numbers(1, 10)),
    ),
    _TEXT,
)
def test_a_segmentation_run_is_read_as_it_was_written(recipe: dict[str, Any], root: str) -> None:
    document = {
        "task": "semantic",
        "backbone": {"network": "resnet-50"},
        "data": {"root": root},
        "recipe": recipe,
    }
    config = parse_config(document, "x")
    assert isinstance(config, SegmentationConfig)
    assert parse_config(json.loads(json.dumps(config.model_dump(mode="json"))), "x") == config


@given(_TEXT, st.integers(1, 300))
def test_text_that_is_cut_anywhere_is_refused_or_a_mapping(
    tmp_path_factory: pytest.TempPathFactory, noise: str, place: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.yml"
    text = yaml.safe_dump({"tuner": {"classArgs": {"space": "spaces.tiny", "search": {"max_flops": 1e9}}}})
    path.write_text(text[:place] + noise + text[place:], encoding="utf-8")
    try:
        assert isinstance(read_yaml(path), dict)
    except InputError as error:
        assert str(error).startswith(str(path)) and str(error).isprintable()
