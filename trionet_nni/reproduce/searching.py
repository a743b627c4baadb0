"""Searches with a trained supernet, and samples of its sub-networks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.cost import CostModel
from trionet_nni.data import load_splits
from trionet_nni.files.atomic import write_json
from trionet_nni.reproduce.jobs import RESULT, Job, SupernetJob, key_of, read_result
from trionet_nni.settings.before import differing
from trionet_nni.settings.plugins import load_module, load_table
from trionet_nni.settings.project import DataConfig, ProjectConfig
from trionet_nni.supernet.evaluator import Evaluator
from trionet_nni.supernet.results import Evaluation, ResultsStore

_SAMPLING = "strategies.hierarchical_sampling"


def cost_model(config: ProjectConfig, working: Path) -> CostModel:
    """What a network costs on the data of a configuration."""
    return _cost_model(config.data, working / "cache")


@cache
def _cost_model(data: DataConfig, images: Path) -> CostModel:
    splits = load_splits(data, images)
    return CostModel(splits.classes, splits.channels, splits.image_size)


@dataclass(frozen=True)
class Measuring(Job):
    """Measures sub-networks of a supernet.

    Attributes:
        count: how many.
    """

    config: ProjectConfig
    count: int

    @property
    def supernet(self) -> SupernetJob:
        """Whose weights it measures with."""
        return SupernetJob(self.config)

    @property
    def needs(self) -> tuple[Job, ...]:
        """The trained supernet."""
        return (self.supernet,)

    def folder(self, working: Path) -> Path:
        """By supernet, search settings and count."""
        kind = type(self).__name__
        key = key_of(kind, self.config.supernet_hash(), self._settings(), self.count)
        return working / "reproduce" / kind.lower() / key

    def _settings(self) -> dict[str, Any]:
        return differing("search", self.config.search)

    def result(self, working: Path) -> dict[str, Any] | None:
        """The stored result of an earlier run; None until there is one."""
        return read_result(self.folder(working))

    def _measure(self, working: Path) -> _StoredScores:
        store = ResultsStore(self.folder(working) / "evaluations", self.config.search.metric)
        evaluator = Evaluator(self.config, self.supernet.folder(working), working / "cache")
        return _StoredScores(evaluator, store)


@dataclass(frozen=True)
class Search(Measuring):
    """The experiment's search for the best network by its metric; its result is the winner's evaluation.

    An interrupted search is run again with the same seed; stored evaluations are not repeated.
    """

    @property
    def title(self) -> str:
        """Names the budget, where there is one, and the supernet's switches."""
        limit = self.config.search.max_flops
        budget = f" up to {limit:.3g} FLOPs" if limit < 1e14 else ""
        return f"search{budget}, {self.supernet.title}"

    def run(self, working: Path) -> None:
        """Search, one candidate after the other."""
        from trionet_nni.nnictl.search.in_process import search_in_process

        table, cost = load_table(self.config.space), cost_model(self.config, working)
        scores = self._measure(working)
        search = self.config.search
        search_in_process(
            search, table, cost, lambda network: scores(network).score(search.metric), self.count
        )
        (winner,) = scores.store.top(1)
        write_json(self.folder(working) / RESULT, winner.to_dict())


@dataclass(frozen=True)
class Sample(Measuring):
    """Accuracies of sub-networks drawn by Hierarchical Sampling, whatever the supernet was trained by."""

    @property
    def title(self) -> str:
        """Names how many there are and the supernet's switches."""
        return f"{self.count} sub-networks, {self.supernet.title}"

    def run(self, working: Path) -> None:
        """Draw with a fixed seed and measure."""
        scores, random = self._measure(working), np.random.default_rng(0)
        table = load_table(self.config.space)
        sampling = load_module(_SAMPLING, ("SAMPLING",), "supernet.sampling").SAMPLING
        found: dict[str, Evaluation] = {}
        while len(found) < self.count:
            network = sampling.configuration(table, sampling.operators(table, random), random)
            if network.hash not in found:
                found[network.hash] = scores(network)
        rows = [[one.flops, one.accuracy] for one in found.values()]
        write_json(self.folder(working) / RESULT, {"flops, accuracy": rows})


class _StoredScores:
    """Measures a network once: what the store has is not measured again after an interruption."""

    def __init__(self, evaluator: Evaluator, store: ResultsStore) -> None:
        self.evaluator, self.store = evaluator, store

    def __call__(self, network: Architecture) -> Evaluation:
        """From the store, or measured now and stored."""
        found = self.store.get(network.hash)
        if found is None:
            found = self.evaluator.evaluate(network)
            self.store.add(found)
        return found
