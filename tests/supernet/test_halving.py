"""Successive halving over images: its rule, its measurements, its results, a search that uses it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from nni.nas.execution.event import FinalMetricEvent, TrainingEndEvent
from nni.nas.space import ModelStatus

from spaces.small import TABLE
from strategies.evolution import build
from tests.helpers.architectures import random_architectures
from tests.helpers.tiny_experiment import CANDIDATES, finished, project
from trionet_nni.architecture.cost import CostModel
from trionet_nni.data import load_splits
from trionet_nni.errors import InputError
from trionet_nni.experiment.check import prepare
from trionet_nni.nnictl.search.candidate import CandidateSpace
from trionet_nni.nnictl.search.in_process import InProcessEngine
from trionet_nni.settings.project import HalvingConfig, SearchConfig, SupernetConfig
from trionet_nni.supernet.evaluator import Evaluator
from trionet_nni.supernet.halving import Halving, Rungs
from trionet_nni.supernet.results import Evaluation, ResultsStore, StoredRungs
from trionet_nni.training.evaluate import correct


def rule(history: list[Rungs], images: int = 1000, **fields: object) -> Halving:
    return Halving(HalvingConfig.model_validate(fields), images, lambda: history)


def test_the_first_candidates_are_measured_on_everything() -> None:
    history: list[Rungs] = []
    halving = rule(history, first=3, keep=0.01)
    for accuracy in (0.9, 0.8, 0.7):
        assert halving.goes_on(0, accuracy) and halving.goes_on(1, accuracy)
        history.append((accuracy,) * 3)
    assert not halving.goes_on(0, 0.6)


@pytest.mark.parametrize("keep", [0.25, 0.5, 0.75])
def test_the_best_share_of_a_rung_goes_on(keep: float) -> None:
    halving = rule([(number / 100,) for number in range(99)], keep=keep, recent=99)
    passed = [halving.goes_on(0, number / 100 + 0.005) for number in range(-1, 99)]
    assert sum(passed) == 100 * keep and passed == sorted(passed)


def test_candidates_are_compared_with_the_latest_that_reached_the_rung() -> None:
    history: list[Rungs] = [(0.9, 0.9)] * 20 + [(0.1,)] * 20
    assert rule(history, recent=20).goes_on(0, 0.2)
    assert not rule(history, recent=40).goes_on(0, 0.05)
    assert not rule(history, recent=20).goes_on(1, 0.2)  # the twenty poor ones never came so far
    assert rule(history, recent=20).goes_on(1, 0.9)  # equals go on


@pytest.mark.parametrize(
    ("images", "shares", "rungs"),
    [(1000, (0.1, 0.3), (100, 300, 1000)), (3, (0.1, 0.3), (1, 3)), (10, (0.96,), (10,))],
)
def test_rungs_increase_and_end_with_all_images(
    images: int, shares: tuple[float, ...], rungs: tuple[int, ...]
) -> None:
    assert rule([], images, shares=shares).images == rungs


class Until:
    """Stops after a rung."""

    def __init__(self, images: tuple[int, ...], last: int) -> None:
        self.images, self.last = images, last

    def goes_on(self, rung: int, accuracy: float) -> bool:
        return rung < self.last


@pytest.mark.parametrize("last", [0, 1, 2])
def test_rungs_are_the_accuracies_of_the_first_images(last: int) -> None:
    files, config = finished(), project()
    supernet = files.supernet_directory(config.supernet_hash())
    count = config.data.search_images
    images = (count // 4, count // 2, count)
    whole = Evaluator(config, supernet, files.cache)
    result = Evaluator(config, supernet, files.cache, halving=Until(images, last)).evaluate(CANDIDATES[0])
    assert result.images == images[last] and result.stopped == (last < 2)
    assert len(result.rungs) == last + 1 and result.accuracy == result.rungs[-1]
    if last == 2:
        assert result.accuracy == whole.evaluate(CANDIDATES[0]).accuracy
    network, splits = whole.network(CANDIDATES[0]), load_splits(config.data, files.cache)
    from trionet_nni.training.recalibrate import recalibrate

    recalibrate(network, splits.recalibration)
    for accuracy, seen in zip(result.rungs, images, strict=False):
        assert accuracy == correct(network, splits.search, range(seen)) / seen


def stored(folder: Path) -> tuple[ResultsStore, list[Evaluation]]:
    """Two whole results and one stopped, which has the highest accuracy; an hour between arrivals."""
    store = ResultsStore(folder)
    kinds: list[tuple[Rungs, bool]] = [((0.5, 0.6), False), ((0.9,), True), ((0.6, 0.7), False)]
    results = [
        Evaluation(network, rungs[-1], 10, 100 - number, 1, 0.1, rungs, stopped)
        for number, (network, (rungs, stopped)) in enumerate(
            zip(random_architectures(TABLE, 3), kinds, strict=True)
        )
    ]
    for number, result in enumerate(results):
        store.add(result)
        os.utime(store.folder / f"{result.architecture.hash}.json", (3600 * number, 3600 * number))
    return store, results


def test_what_was_stopped_is_kept_but_never_among_the_best(tmp_path: Path) -> None:
    store, results = stored(tmp_path)
    assert store.all() == results and store.whole() == [results[0], results[2]]
    assert store.top(3) == [results[2], results[0]]
    assert store.pareto() == [results[2]]


def test_history_is_read_in_order_of_arrival_and_grows(tmp_path: Path) -> None:
    store, results = stored(tmp_path)
    history = StoredRungs(store)
    assert history() == [result.rungs for result in results] == history()
    (network,) = random_architectures(TABLE, 1, 77)
    store.add(Evaluation(network, 0.4, 10, 1, 1, 0.1, (0.4,), True))
    assert history() == [*(result.rungs for result in results), (0.4,)]


@pytest.mark.parametrize("rungs", ["0.5", [True], [None], [float("nan")]])
def test_damaged_rungs_are_named(tmp_path: Path, rungs: object) -> None:
    _, results = stored(tmp_path)
    with pytest.raises(InputError, match="rungs: found"):
        Evaluation.from_dict({**results[0].to_dict(), "rungs": rungs})


def test_parents_were_measured_on_everything() -> None:
    """Stopped candidates report higher accuracies here, as the first images may be easy ones."""

    class HalvingEngine(InProcessEngine):
        def submit_models(self, *models: CandidateSpace) -> None:
            for model in models:
                self.models.append(model)
                model.stopped = len(self.models) % 2 == 0
                self.dispatch_model_event(FinalMetricEvent(model, 0.9 if model.stopped else 0.5))
                self.dispatch_model_event(TrainingEndEvent(model, ModelStatus.Trained))

    config = SearchConfig(max_flops=2e7, population=12, parents=4, seed=3)
    engine = HalvingEngine(lambda architecture: 0.0, 30)
    strategy = build(config, TABLE, CostModel(classes=10, channels=1, image_size=28))
    strategy(CandidateSpace(TABLE), engine)
    whole = [model.architecture for model in engine.models if not model.stopped]
    assert strategy.best_parents() == whole[:4]
    again = build(config, TABLE, CostModel(classes=10, channels=1, image_size=28))
    again.load_state_dict(strategy.state_dict())
    assert again.best_parents() == whole[:4] and len(again._population) == len(strategy._population)


def test_a_plug_in_that_measures_by_itself_is_refused(tmp_path: Path) -> None:
    config = project()
    supernet = SupernetConfig.model_validate(
        {**config.supernet.model_dump(), "strategy": "tests.helpers.toy_supernet"}
    )
    search = config.search.model_copy(update={"halving": HalvingConfig()})
    with pytest.raises(InputError, match=r"search.halving: found .* allowed: with 'strategies.one_shot'"):
        prepare(config.model_copy(update={"supernet": supernet, "search": search}), tmp_path)
