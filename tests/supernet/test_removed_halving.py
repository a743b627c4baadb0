"""Files of 0.1.0, which had successive halving over the search images: they are read as they lie."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spaces.small import TABLE
from strategies.evolution import build
from tests.helpers.architectures import random_architectures
from tests.helpers.tiny_experiment import CANDIDATES, finished, project
from trionet_nni.architecture.cost import CostModel
from trionet_nni.errors import InputError
from trionet_nni.export.best import export
from trionet_nni.settings.before import BEFORE, as_before
from trionet_nni.settings.project import SearchConfig, parse_project, parse_stored
from trionet_nni.supernet.results import Evaluation, ResultsStore

HALVING = {"shares": [0.1, 0.3], "keep": 0.5, "first": 10, "recent": 50}


def settings(halving: object) -> dict[str, object]:
    """As 0.1.0 stored them: without the fields that came later."""
    document = project().model_dump(mode="json")
    for section, later in BEFORE.items():
        document[section] = {name: value for name, value in document[section].items() if name not in later}
    return {**document, "search": {**document["search"], "halving": halving}}


def test_an_old_experiment_is_opened_whatever_it_says() -> None:
    document = project().model_dump(mode="json")
    document["search"]["halving"] = None  # as a file of 0.1.0 has it
    assert parse_project(document, "x") == project()
    for halving in (None, HALVING, {}):
        went_on = parse_stored(settings(halving), "x")
        assert (
            went_on == parse_project(as_before(settings(None)), "x") and went_on.search.metric == "accuracy"
        )


@pytest.mark.parametrize("halving", [HALVING, {}, False, 3])
def test_a_new_file_that_asks_for_it_is_refused(halving: object) -> None:
    message = r"^a.yml: search.halving: found .* removed \(docs/results.md"
    with pytest.raises(InputError, match=message) as said:
        parse_project(settings(halving), "a.yml")
    assert "\n" not in str(said.value)


def old(result: Evaluation, accuracy: float, *, stopped: bool) -> dict[str, object]:
    """A result as a search with halving stored it."""
    rungs = [accuracy] if stopped else [accuracy, accuracy, accuracy]
    return {**result.to_dict(), "accuracy": accuracy, "rungs": rungs, "stopped": stopped}


def test_an_accuracy_of_some_images_is_never_ranked(tmp_path: Path) -> None:
    for number, network in enumerate(random_architectures(TABLE, 3)):
        result = Evaluation(network, 0.5, 50, 100 - number, 1, 0.1)
        stored = old(result, (0.5, 0.9, 0.6)[number], stopped=number == 1)
        (tmp_path / f"{network.hash}.json").write_text(json.dumps(stored))
    store, (first, stopped, last) = ResultsStore(tmp_path, "accuracy"), random_architectures(TABLE, 3)
    assert [result.architecture for result in store.top(3)] == [last, first]
    assert {result.architecture for result in store.all()} == {first, last}
    assert [result.architecture for result in store.pareto()] == [last]
    assert store.get(stopped.hash) is None and len(store) == 2
    store.add(Evaluation(stopped, 0.7, 500, 99, 1, 0.1))  # measured again, on all images
    assert store.top(1)[0].architecture == stopped


def test_it_is_never_exported(tmp_path: Path) -> None:
    files = finished()
    folder = tmp_path / "old"
    (folder / "trionet" / "evaluations").mkdir(parents=True)
    for name in ("supernet.json", "code.txt"):
        (folder / "trionet" / name).write_text((files.home / name).read_text())
    (folder / "trionet" / "project.json").write_text(json.dumps(settings(HALVING)))
    for number, network in enumerate(CANDIDATES):
        stored = old(Evaluation(network, 0, 40, 100, 1, 0.1), number / 4 + 0.3, stopped=number == 2)
        (folder / "trionet" / "evaluations" / f"{network.hash}.json").write_text(json.dumps(stored))
    rows = export(folder, 3, tmp_path / "out")
    assert [row.evaluation.architecture for row in rows] == [CANDIDATES[1], CANDIDATES[0]]


def test_a_search_goes_on_from_triples_and_without_those_that_were_stopped() -> None:
    config, cost = (
        SearchConfig(max_flops=1e9, band=0, parents=4),
        CostModel(classes=10, channels=1, image_size=28),
    )
    strategy, networks = build(config, TABLE, cost), random_architectures(TABLE, 3)
    state = {
        **strategy.state_dict(),
        "evaluated": [
            [0.5, networks[0].to_dict(), False],
            [0.9, networks[1].to_dict(), True],
            [0.6, networks[2].to_dict(), False],
        ],
        "seen": [network.hash for network in networks],
    }
    strategy.load_state_dict(state)
    assert strategy.best_parents() == [networks[2], networks[0]]
    again = build(config, TABLE, cost)
    again.load_state_dict(strategy.state_dict())
    assert again.best_parents() == strategy.best_parents() and again._seen == strategy._seen
