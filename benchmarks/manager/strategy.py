"""The project's evolution, with the moments at which the advisor hears of something and has answered it."""

from __future__ import annotations

from typing import Any

from benchmarks.manager.objective import stamp
from strategies.evolution import BudgetedEvolution
from trionet_nni.architecture.cost import CostModel
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.settings.budgets import search_budgets
from trionet_nni.settings.project import SearchConfig


class StampedEvolution(BudgetedEvolution):
    """Notes when a trial's end arrives, and when a candidate's trial has been asked for."""

    def _initialize(self, model_space: Any, engine: Any) -> Any:
        ended, submit = engine.trial_ended, engine.submit_models

        def trial_ended(number: int, trial: str, event: str) -> None:
            stamp("heard", trial)
            ended(number, trial, event)

        def submit_models(*models: Any) -> None:
            submit(*models)
            stamp("submitted")

        engine.trial_ended, engine.submit_models = trial_ended, submit_models
        return super()._initialize(model_space, engine)


def build(config: SearchConfig, table: SpaceTable, cost: CostModel) -> StampedEvolution:
    """As `strategies.evolution.build`."""
    return StampedEvolution(config, search_budgets(config, table, cost))
