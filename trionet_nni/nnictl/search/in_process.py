"""A search without nnictl: NNI's strategy on an engine that evaluates one candidate after the other here.

The strategy is the experiment's own, so the candidates are those of an nnictl experiment at concurrency 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from nni.nas.execution import ExecutionEngine
from nni.nas.execution.event import FinalMetricEvent, TrainingEndEvent
from nni.nas.space import ModelStatus

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.cost import CostModel
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.nnictl.search.candidate import CandidateSpace
from trionet_nni.nnictl.search.strategy import build_strategy
from trionet_nni.settings.project import SearchConfig


def search_in_process(
    config: SearchConfig,
    table: SpaceTable,
    cost: CostModel,
    evaluate: Callable[[Architecture], float],
    candidates: int,
) -> list[CandidateSpace]:
    """Run the strategy of an experiment to its end.

    Args:
        cost: of a network at the experiment's image size and number of classes.
        evaluate: score of a network, the larger the better whatever `config.metric` is called:
            `Evaluator.evaluate(network).score(config.metric)`, or any other number to search by.
        candidates: how many are evaluated.

    Returns:
        Every candidate with its score as `metric`, in order.

    Raises:
        InputError: the budget is outside the reachable range.
    """
    engine = InProcessEngine(evaluate, candidates)
    build_strategy(config, table, cost)(CandidateSpace(table), engine)
    return engine.models


class InProcessEngine(ExecutionEngine):  # type: ignore[misc]
    """Runs a strategy without nnictl, for measurements that need many searches.

    Args:
        evaluate: score of a network, the larger the better.
        budget: how many candidates may be evaluated.
    """

    def __init__(self, evaluate: Callable[[Architecture], float], budget: int) -> None:
        super().__init__()
        self.evaluate, self.budget = evaluate, budget
        self.models: list[CandidateSpace] = []

    def submit_models(self, *models: CandidateSpace) -> None:
        """Evaluate each model at once, and tell its result before the next one."""
        for model in models:
            self.models.append(model)
            score = self.evaluate(model.architecture)
            self.dispatch_model_event(FinalMetricEvent(model, score))
            self.dispatch_model_event(TrainingEndEvent(model, ModelStatus.Trained))

    def list_models(self, status: ModelStatus | None = None) -> Iterable[CandidateSpace]:
        """Every model that was submitted, in order, of one status or of all."""
        return [m for m in self.models if status is None or m.status == status]

    def idle_worker_available(self) -> bool:
        """Always true: a model is evaluated before `submit_models` returns."""
        return True

    def budget_available(self) -> bool:
        """Whether fewer candidates were evaluated than there may be."""
        return len(self.models) < self.budget
