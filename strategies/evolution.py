"""Evolution under a FLOPs budget: NNI's RegularizedEvolution where the paper's search needs more (Eq. 3).

What is added to NNI's strategy, and why:

* the first population is built inside the budget and its band, not found by rejection;
* with a band, each operator alone is in the first population (`trionet_nni.architecture.alone`): drawn at
  random they hardly ever are, and a search must not end below what needs no search;
* several budgets take turns: the number of a candidate decides for which of them it is made. Results are
  shared: parents for a budget are the best networks within it, whatever budget they were made for;
* a mutation changes active genes only, and redraws an operator together with its options; of the 172
  stored genes of the paper's space about 53 are active, and changing another changes nothing;
* crossover swaps whole blocks: options of one block belong together;
* duplicates are judged on the canonical form;
* parents are the best of all evaluated networks. NNI's strategy lets individuals die of age, which helps
  against lucky evaluations; here an evaluation with shared weights is deterministic.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from nni.nas.execution.event import ModelEvent
from nni.nas.strategy import RegularizedEvolution
from nni.nas.strategy.evolution import Individual

from strategies.variation import Variation
from trionet_nni.architecture.alone import stand_alone
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.budget import Budget
from trionet_nni.architecture.cost import CostModel
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.errors import InputError
from trionet_nni.files.journal import Grown
from trionet_nni.nnictl.search.candidate import CandidateSpace
from trionet_nni.nnictl.search.strategy import SearchStrategy
from trionet_nni.settings.budgets import search_budgets
from trionet_nni.settings.project import SearchConfig

_TRIES = 200


@dataclass(frozen=True)
class _Evaluated:
    score: float
    architecture: Architecture
    flops: int

    @cached_property
    def saved(self) -> list[Any]:
        """As it stands in the state."""
        return [self.score, self.architecture.to_dict()]


class BudgetedEvolution(RegularizedEvolution, SearchStrategy):  # type: ignore[misc]
    """RegularizedEvolution over a `CandidateSpace`, within one or several hard FLOPs budgets.

    Args:
        config: population, parents, rates, seed.
        budgets: what a network may cost, bands included; candidates are made for one after the other.
    """

    def __init__(self, config: SearchConfig, budgets: Iterable[Budget]) -> None:
        super().__init__(
            population_size=config.population,
            sample_size=min(config.parents, config.population),
            mutation_prob=config.mutation,
            crossover=config.crossover > 0,
            seed=config.seed,
        )
        self.config = config
        self._seen: dict[str, None] = {}  # hashes in order of proposal
        self._evaluated: list[_Evaluated] = []
        self._lock = threading.RLock()
        self._variations = tuple(
            Variation(one, config.mutation, self._random_state, near=config.band > 0) for one in budgets
        )
        self._alone = [stand_alone(one.budget) if config.band > 0 else [] for one in self._variations]

    def random(self) -> Any:
        """A network drawn operator first, inside the budget by construction."""
        return self._submit_new(lambda: self._variation.random())

    def new_individual(self) -> Any:
        """A child of the best: by crossover of two of them, or by mutation of one."""
        return self._submit_new(self._child)

    def best_parents(self, max_flops: float = math.inf) -> list[Architecture]:
        """The best evaluated networks within a budget, best first; equal scores in order of arrival."""
        with self._lock:
            within = (one for one in self._evaluated if one.flops <= max_flops)
            ranked = sorted(within, key=lambda one: -one.score)
            return [one.architecture for one in ranked[: self.config.parents]]

    def restore_running(self, models: list[CandidateSpace]) -> None:
        """Take models back that were running when the search was interrupted."""
        with self._lock:
            for model in models:
                self._seen[model.architecture.hash] = None
                self._running_models.append(model)

    def state_dict(self) -> dict[str, Any]:
        """Everything the search knows, as JSON-able values."""
        with self._lock:
            name, keys, position, has_gauss, gauss = self._random_state.get_state()
            return {
                "seen": Grown(self._seen),
                "evaluated": Grown(one.saved for one in self._evaluated),
                "individual_counter": self._individual_counter,
                "random_state": [name, keys.tolist(), position, has_gauss, gauss],
                "running": [model.architecture.to_dict() for model in self._running_models],
            }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a saved state. Running networks are not in it: see `restore_running`."""
        with self._lock:
            self._evaluated = [
                self._noted(float(score), Architecture.from_dict(data))
                for score, data, *stopped in state_dict["evaluated"]
                if stopped != [True]  # by 0.1.0's successive halving: a score on a part of the images
            ]
            running = {Architecture.from_dict(data).hash for data in state_dict["running"]}
            self._seen = {name: None for name in state_dict["seen"] if name not in running}
            self._population.clear()
            for one in self._evaluated[-self.population_size :]:
                self._population.append(Individual(one.architecture.to_sample(), one.score))
            self._individual_counter = state_dict["individual_counter"]
            name, keys, position, has_gauss, gauss = state_dict["random_state"]
            keys = np.array(keys, dtype=np.uint32)
            self._random_state.set_state((name, keys, position, has_gauss, gauss))

    @property
    def _variation(self) -> Variation:
        """How the next candidate is made; its number decides, so that a resumed search keeps the turns."""
        number: int = self._individual_counter
        return self._variations[number % len(self._variations)]

    def _noted(self, score: float, architecture: Architecture) -> _Evaluated:
        flops = self._variations[0].budget.flops(architecture)  # every budget counts alike
        return _Evaluated(score, architecture, flops)

    def _child(self) -> Architecture:
        parents = self.best_parents(self._variation.budget.max_flops)
        if not parents:
            return self._variation.random()
        pick = self._random_state.randint
        first = parents[pick(len(parents))]
        if len(parents) > 1 and self._random_state.uniform() < self.config.crossover:
            return self._variation.crossover(first, parents[pick(len(parents))])
        return self._variation.mutate(first)

    def _submit_new(self, make: Callable[[], Architecture]) -> Any:
        """The first network of `make` that was never proposed; a budget without one is passed over."""
        with self._lock:
            for _ in self._variations:
                architecture = self._next_alone() or self._unseen(make)
                self._individual_counter += 1
                if architecture is not None:
                    self._seen[architecture.hash] = None
                    return self.model_space.freeze(architecture.to_sample())
            raise InputError(
                f"search: found {len(self._seen)} networks within the budget and no further one, "
                "allowed: a wider budget or fewer candidates"
            )

    def _next_alone(self) -> Architecture | None:
        """A budget's first turns are its stand-alone networks'; the candidate's number says whose."""
        turn, budget = divmod(self._individual_counter, len(self._variations))
        waiting = self._alone[budget][turn : turn + 1]
        return next((one for one in waiting if one.hash not in self._seen), None)

    def _unseen(self, make: Callable[[], Architecture]) -> Architecture | None:
        for attempt in range(_TRIES):
            # A small neighbourhood can be used up; fresh blood is then better than stopping.
            architecture = make() if attempt < _TRIES // 2 else self._variation.random()
            if architecture.hash not in self._seen:
                return architecture
        return None

    def _training_end_callback(self, event: ModelEvent) -> None:
        """Note a finished network; one without a metric leaves no trace but in the set of the seen."""
        with self._lock:
            if event.model in self._running_models and event.model.metric is not None:
                model = event.model
                self._evaluated.append(self._noted(float(model.metric), model.architecture))
            super()._training_end_callback(event)


def build(config: SearchConfig, table: SpaceTable, cost: CostModel) -> BudgetedEvolution:
    """The strategy of an experiment.

    Raises:
        InputError: a budget is outside the reachable range.
    """
    return BudgetedEvolution(config, search_budgets(config, table, cost))
