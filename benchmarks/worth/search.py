"""The pipeline, second part: the search of a seed, and its finalists trained from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.worth.case import CACHE, Case
from benchmarks.worth.finalist import FinalistTrainer, outcome
from benchmarks.worth.meter import Meter
from benchmarks.worth.source import Source
from benchmarks.worth.supernet import Supernet, pipeline_config
from benchmarks.worth.unit import Bench, Unit, as_long
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.finalists.halving import choose, rungs
from trionet_nni.finalists.in_process import run_finalists
from trionet_nni.settings.project import FinalistsConfig, ProjectConfig
from trionet_nni.supernet.results import Evaluation, ResultsStore, ranked


@dataclass(frozen=True)
class Search(Unit):
    """The evolution over a supernet's scores, at the cost of the comparison."""

    case: Case
    seed: int

    kind: ClassVar[str] = "search"

    @property
    def title(self) -> str:
        """Names the seed."""
        return f"{self.case.name}: search, seed {self.seed}"

    @property
    def supernet(self) -> Supernet:
        """Whose weights score the candidates."""
        return Supernet(self.case, self.seed)

    @property
    def needs(self) -> tuple[Unit, ...]:
        """The supernet."""
        return (self.supernet,)

    @property
    def config(self) -> ProjectConfig:
        """The experiment's."""
        return pipeline_config(self.case, self.seed)

    @property
    def conditions(self) -> dict[str, Any]:
        """Supernet and search; the finalists come after it."""
        search = self.config.search
        first = "each operator alone is in the first population"
        names = ("metric", "population", "parents", "mutation", "crossover", "seed")
        settings = {name: getattr(search, name) for name in names}
        band = [round(value) for value in self.case.band]
        settings |= {"band": band, "candidates": self.case.candidates, "first": first}
        assert search.finalists is not None
        count = search.finalists.count
        settings |= {"finalists": f"{count}, the best of each operator alone among them"}
        return {"of": self.supernet.identity, **settings}

    def prepare(self, bench: Bench) -> None:
        """The supernet's weights, on whatever machine."""
        self.supernet.ensure(bench)

    def _store(self, bench: Bench) -> ResultsStore:
        """Its evaluations, which stay in the bench's folder, and are not committed."""
        return ResultsStore(bench.folder / "evaluations" / self.identity, self.config.search.metric)

    def evaluations(self, bench: Bench) -> list[Evaluation]:
        """Every candidate, the best first; searched again where they are not there."""
        store = self._store(bench)
        if len(store) < self.case.candidates:
            self.prepare(bench)
            self._search(bench)
        return ranked(store.all(), self.config.search.metric)

    def compute(self, bench: Bench, meter: Meter) -> dict[str, Any]:
        """Search; stored evaluations of an interrupted one are not repeated."""
        results = self._search(bench)
        finalists = self.config.search.finalists
        assert finalists is not None
        chosen = choose([one.architecture for one in results], finalists.count)
        return {
            "network": results[0].architecture.to_dict(),
            "finalists": [network.to_dict() for network in chosen],
            "candidates": self.rows(results),
        }

    @staticmethod
    def rows(results: Sequence[Evaluation]) -> list[dict[str, Any]]:
        """Candidates as they are recorded."""
        return [_row(one) for one in results]

    def _search(self, bench: Bench) -> list[Evaluation]:
        from trionet_nni.nnictl.search.in_process import search_in_process

        metric = self.config.search.metric
        store = self._store(bench)
        scores = _Scores(self.config, self.supernet.directory(bench), store)
        search_in_process(
            self.config.search,
            self.case.table,
            self.case.cost,
            lambda network: scores(network).score(metric),
            self.case.candidates,
        )
        return ranked(store.all(), metric)


def _row(one: Evaluation) -> dict[str, Any]:
    return {
        "operators": one.architecture.operators,
        "flops": one.flops,
        "loss": round(one.loss or 0, 4),
        "accuracy": round(one.accuracy, 4),
    }


class _Scores:
    """Evaluations by the supernet, each network once; the weights are loaded when they are needed."""

    def __init__(self, config: ProjectConfig, supernet: Path, store: ResultsStore) -> None:
        from trionet_nni.supernet.evaluator import Evaluator

        self.evaluator, self.store = Evaluator(config, supernet, CACHE), store

    def __call__(self, network: Architecture) -> Evaluation:
        """From the store, or measured now and stored."""
        found = self.store.get(network.hash)
        if found is None:
            found = self.evaluator.evaluate(network)
            self.store.add(found)
        return found


@dataclass(frozen=True)
class Finalists(Unit):
    """The best of a search trained from scratch, by halving over repeats.

    Attributes:
        times: the length of each of their trainings ÷ the recipe's.
    """

    case: Case
    seed: int
    times: float = 1.0

    kind: ClassVar[str] = "finalists"

    @property
    def title(self) -> str:
        """Names the seed."""
        return f"{self.case.name}: finalists{as_long(self.times)}, seed {self.seed}"

    @property
    def search(self) -> Search:
        """Whose best they are."""
        return Search(self.case, self.seed)

    @property
    def needs(self) -> tuple[Unit, ...]:
        """The search."""
        return (self.search,)

    @property
    def config(self) -> FinalistsConfig:
        """The experiment's, at this length."""
        shipped = self.search.config.search.finalists
        assert shipped is not None
        return shipped.model_copy(update={"steps": round(shipped.steps * self.times)})

    @property
    def conditions(self) -> dict[str, Any]:
        """Search, ladder and recipe."""
        recipe = self.search.config.retrain.model_dump(exclude_defaults=True)
        return {
            "of": self.search.identity,
            "finalists": self.config.model_dump(exclude={"pilots"}),
            "recipe": recipe,
        }

    @property
    def estimate(self) -> float:
        """In proportion to the length."""
        return super().estimate * self.times

    def compute(self, bench: Bench, meter: Meter) -> dict[str, Any]:
        """Train them rung by rung, or go on."""
        ladder = rungs(**dict(self.config))
        chosen = [Architecture.from_dict(one) for one in bench.needed(self.search)["finalists"]]
        ended = run_finalists(
            chosen, ladder, FinalistTrainer(self.case, self.search.config, bench.work(self))
        )
        return outcome(ended)


def pipeline(case: Case, seed: int, times: float = 1.0) -> tuple[Unit, ...]:
    """Finalists, trained so many times as long, the search and its supernet."""
    finalists = Finalists(case, seed, times)
    return finalists, finalists.search, finalists.search.supernet


@dataclass(frozen=True)
class Searched(Source):
    """What the pipeline gives.

    Attributes:
        finalists: False: the candidate that the supernet ranks first, as in the paper.
        times: of the finalists' trainings.
    """

    case: Case
    seed: int
    finalists: bool = True
    times: float = 1.0

    @property
    def unit(self) -> Unit:
        """Whose result it is."""
        if self.finalists:
            return Finalists(self.case, self.seed, self.times)
        return Search(self.case, self.seed)

    @property
    def key(self) -> str:
        """What finds it."""
        return f"winner of {self.unit.identity}"

    @property
    def title(self) -> str:
        """Says whether there were finalists, and how long ones."""
        how = "" if self.finalists else " without finalists"
        if self.times != 1:
            how = f" by finalists{as_long(self.times)}"
        return f"the searched network {self.seed}{how}"

    @property
    def needs(self) -> tuple[Unit, ...]:
        """The pipeline up to there."""
        return (self.unit,)

    def network(self, bench: Bench) -> Architecture:
        """The winner."""
        return Architecture.from_dict(bench.needed(self.unit)["network"])
