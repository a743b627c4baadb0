"""A strategy of one's own: the contract, and what is refused."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from nni.nas.execution.event import FinalMetricEvent, ModelEventType, TrainingEndEvent
from nni.nas.space import ModelStatus
from nni.nas.strategy import RegularizedEvolution

from spaces.small import TABLE
from tests.helpers.architectures import random_architectures
from trionet_nni.architecture.cost import CostModel
from trionet_nni.errors import InputError
from trionet_nni.nnictl.search.candidate import CandidateSpace
from trionet_nni.nnictl.search.in_process import InProcessEngine, search_in_process
from trionet_nni.nnictl.search.strategy import SearchStrategy, build_strategy
from trionet_nni.settings.project import SearchConfig

COST = CostModel(classes=10, channels=1, image_size=28)
NETWORKS = random_architectures(TABLE, 8)
CONFIG = SearchConfig(strategy="a_strategy_of_ones_own", max_flops=1e9, band=0)


class InOrder(SearchStrategy):
    """Proposes a list of networks one after the other; nothing but what the contract asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.next, self.results, self.running = 0, dict[str, float](), set[str]()

    def _initialize(self, space: Any, engine: Any) -> Any:
        engine.register_model_event_callback(ModelEventType.TrainingEnd, self._ended)
        return space

    def _run(self) -> None:
        while self.next < len(NETWORKS) and self.wait_for_resource():
            model = self.model_space.freeze(NETWORKS[self.next].to_sample())
            self.next += 1
            self.running.add(model.architecture.hash)
            self.engine.submit_models(model)

    def _ended(self, event: Any) -> None:
        self.running.discard(event.model.architecture.hash)
        self.results[event.model.architecture.hash] = event.model.metric

    def state_dict(self) -> dict[str, Any]:
        return {"next": self.next, "results": self.results}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.next, self.results = state_dict["next"], dict(state_dict["results"])

    def restore_running(self, models: list[CandidateSpace]) -> None:
        self.running.update(model.architecture.hash for model in models)


def plugin(monkeypatch: pytest.MonkeyPatch, made: Any) -> None:
    module = ModuleType(CONFIG.strategy)
    module.build = lambda config, table, cost: made  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, CONFIG.strategy, module)


def test_a_strategy_of_ones_own_searches_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = InOrder(), InOrder()
    plugin(monkeypatch, first)
    models = search_in_process(CONFIG, TABLE, COST, lambda network: 0.5, 3)
    assert [model.architecture for model in models] == NETWORKS[:3] and len(first.results) == 3
    space, engine = CandidateSpace(TABLE), InProcessEngine(lambda network: 0.25, 100)
    lost = space.freeze(NETWORKS[3].to_sample())
    second.initialize(space, engine)
    second.load_state_dict({**first.state_dict(), "next": 4})
    second.restore_running([lost])
    engine.dispatch_model_event(FinalMetricEvent(lost, 0.75))
    engine.dispatch_model_event(TrainingEndEvent(lost, ModelStatus.Trained))
    second.run()
    assert [model.architecture for model in engine.models] == NETWORKS[4:] and not second.running
    assert second.results[NETWORKS[3].hash] == 0.75 and len(second.results) == len(NETWORKS)


def test_what_lacks_a_method_cannot_be_made() -> None:
    class Forgetful(SearchStrategy):
        def _run(self) -> None: ...

        def state_dict(self) -> dict[str, Any]:
            return {}

    with pytest.raises(TypeError, match=r"load_state_dict.*restore_running"):
        Forgetful()  # type: ignore[abstract]


@pytest.mark.parametrize("made", [RegularizedEvolution(), None, InOrder])
def test_what_is_no_such_strategy_is_refused(monkeypatch: pytest.MonkeyPatch, made: Any) -> None:
    plugin(monkeypatch, made)
    with pytest.raises(
        InputError, match=r"^search.strategy: found 'a_strategy.* allowed: a .*SearchStrategy$"
    ):
        build_strategy(CONFIG, TABLE, COST)
