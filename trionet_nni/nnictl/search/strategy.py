"""What a search strategy has to be: the contract between a plug-in and what runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from nni.nas.strategy import Strategy

from trionet_nni.architecture.cost import CostModel
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.errors import InputError
from trionet_nni.nnictl.search.candidate import CandidateSpace
from trionet_nni.settings.plugins import load_module
from trionet_nni.settings.project import SearchConfig


class SearchStrategy(Strategy, ABC):  # type: ignore[misc]
    """An NNI strategy that can be interrupted at any moment. `search.strategy` names its module.

    Its life, in this order:

    1. The module's `build(config, table, cost)` makes it, before anything is trained. It raises InputError
       where the settings cannot be searched by: a budget that no network meets.
    2. `initialize(space, engine)`, once. NNI implements it by `_initialize`, where a strategy registers for
       the engine's events. `space` is a `CandidateSpace`: `space.freeze(sample)` gives a candidate.
    3. Only where a search goes on: `load_state_dict(state)` with what `state_dict` gave last, and then
       `restore_running(models)` with the candidates that had no result at that moment.
    4. `run()`, once. NNI implements it by `_run`: as long as `self.wait_for_resource()` is true, submit one
       candidate by `self.engine.submit_models(model)`. It returns when the engine takes no more, or when
       there is nothing left to try; InputError says the latter too. Whoever calls it waits for the rest.
    5. Meanwhile the engine tells each result by the event TrainingEnd: `event.model.metric` is the score,
       the larger the better (`Evaluation.score`: −loss, or the accuracy), or None where the candidate was
       given up. Candidates end in any order.

    A search that was interrupted proposes what an uninterrupted one would have: the state holds the random
    generator too. Everything happens in one thread, so no lock is needed between these methods.
    """

    @abstractmethod
    def _run(self) -> None:
        """Submit candidates until the engine takes no more, or nothing is left to try."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything the search knows, as JSON-able values.

        It is asked for inside of `submit_models`, before the trial starts, and after every result. So what
        a candidate changes (the random generator, the set of the seen) is done before it is submitted.

        A field that has changed is written whole each time. One that has an element more for every
        candidate is better a `trionet_nni.files.journal.Grown`: only what is new of it is written.
        """

    @abstractmethod
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a saved state. Candidates without a result come by `restore_running`."""

    @abstractmethod
    def restore_running(self, models: list[CandidateSpace]) -> None:
        """Take candidates back that were proposed before the interruption and have no result yet.

        Called once after `load_state_dict`, and once more, while the strategy runs, for each candidate that
        NNI alone remembers. They are with the engine already: submit none of them, and propose none again.
        """


def build_strategy(
    config: SearchConfig, table: SpaceTable, cost: CostModel, field: str = "search.strategy"
) -> SearchStrategy:
    """The strategy that an experiment names.

    Args:
        cost: of a network at the experiment's image size and number of classes.
        field: the experiment file's field, for the message.

    Raises:
        InputError: there is no such module, it gives no `SearchStrategy`, or a budget is out of reach.
    """
    made = load_module(config.strategy, ("build",), field).build(config, table, cost)
    if not isinstance(made, SearchStrategy):
        found = f"{config.strategy!r}, whose build() gives {type(made).__name__}"
        raise InputError(f"{field}: found {found}, allowed: a {__name__}.{SearchStrategy.__name__}")
    return made
