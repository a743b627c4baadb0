"""An execution engine of NNI that evaluates candidates one after the other in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from nni.nas.execution import ExecutionEngine
from nni.nas.execution.event import FinalMetricEvent, TrainingEndEvent
from nni.nas.space import ModelStatus

from trionet_nni.architecture import Architecture


class InProcessEngine(ExecutionEngine):
    """Runs a strategy without nnictl, for measurements that need many searches.

    Args:
        evaluate: accuracy of a network.
        budget: how many candidates may be evaluated.
    """

    def __init__(self, evaluate: Callable[[Architecture], float], budget: int) -> None:
        super().__init__()
        self.evaluate, self.budget = evaluate, budget
        self.models: list[Any] = []

    def submit_models(self, *models: Any) -> None:
        """Evaluate at once."""
        for model in models:
            self.models.append(model)
            accuracy = self.evaluate(model.architecture)
            self.dispatch_model_event(FinalMetricEvent(model, accuracy))
            self.dispatch_model_event(TrainingEndEvent(model, ModelStatus.Trained))

    def list_models(self, status: ModelStatus | None = None) -> Iterable[Any]:
        """What was submitted."""
        return [m for m in self.models if status is None or m.status == status]

    def idle_worker_available(self) -> bool:
        """Always: nothing runs beside."""
        return True

    def budget_available(self) -> bool:
        """Whether candidates are left."""
        return len(self.models) < self.budget
