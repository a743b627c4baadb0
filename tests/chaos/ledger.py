"""The books of a search that is over."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields

from tests.chaos.experiment import Experiment, name_of
from trionet_nni.files.journal import read_journaled
from trionet_nni.finalists.halving import Rung, Training
from trionet_nni.finalists.results import FinalistStore
from trionet_nni.supernet.results import ResultsStore


@dataclass(frozen=True)
class Ledger:
    """What is counted; see `tests.chaos`.

    Attributes:
        begun: computations of the objective that began.
        ended: those that came to their end.
        finalists: trainings from scratch, one a rung and network, that there have to be.
        failed: trials without a result, all of them tried again.
        experiments: more than one would be a search that was forgotten.
    """

    candidates: int
    finalists: int
    finished: int
    lost: int
    repeated: int
    mismatched: int
    begun: int
    ended: int
    failed: int
    experiments: int

    @property
    def good(self) -> bool:
        """Nothing lost, nothing repeated, nothing mismatched, nothing missing."""
        bad = self.lost + self.repeated + self.mismatched
        return bad == 0 and self.finished >= self.candidates + self.finalists and self.experiments == 1

    def rows(self) -> list[tuple[str, int]]:
        """Name and number."""
        return [(field.name, getattr(self, field.name)) for field in fields(self)]


def ledger(experiment: Experiment, candidates: int, seen: dict[str, float]) -> Ledger:
    """Compare all that is left behind.

    Args:
        candidates: how many were asked for.
        seen: when each evaluation was first seen finished.
    """
    files = experiment.files
    assert files is not None, "no experiment was started"
    results = ResultsStore(files.evaluations, "loss").all()
    store = {item.architecture.hash: item.score("loss") for item in results}
    finalists = FinalistStore(files.finalists)
    store |= _trained(finalists, experiment.ladder)
    lines = [line.split() for line in experiment.log.read_text().splitlines()]
    begun = [(name, float(at)) for at, word, name, _ in lines if word == "begin"]
    failures = files.failures.read_text().splitlines() if files.failures.exists() else []
    (chosen,) = finalists.chosen() or [[]]
    return Ledger(
        candidates,
        sum(min(rung.networks, len(chosen)) for rung in experiment.ladder),
        len(set(seen) | set(store)),
        sum(name not in store for name in seen),
        sum(at > seen[name] for name, at in begun if name in seen),
        _mismatched(experiment, store),
        len(begun),
        sum(word == "end" for _, word, _, _ in lines),
        len(failures),
        len(experiment.roots()),
    )


def _mismatched(experiment: Experiment, store: dict[str, float]) -> int:
    portal, database, strategy = _portal(experiment), experiment.database(), _strategy(experiment)
    names = set(store) | set(portal) | set(database) | set(strategy)
    wrong = 0
    for name in names:
        counted = strategy.get(name) if "-rung" not in name else [store.get(name)]  # not a strategy's
        once = (store.get(name), portal.get(name), counted)
        agreed = once == (store.get(name), [store.get(name)], [store.get(name)])
        wrong += not (agreed and set(database.get(name, [])) == {store.get(name)})
    return wrong


def _trained(store: FinalistStore, ladder: Sequence[Rung]) -> dict[str, float]:
    """The score of every finalist on every rung."""
    brackets = store.chosen() or []
    trainings = [Training(network, rung) for bracket in brackets for network in bracket for rung in ladder]
    results = [result for result in map(store.get, trainings) if result is not None]
    return {"{}-rung{}".format(*one.training.key): one.score("loss") for one in results}


def _portal(experiment: Experiment) -> dict[str, list[float]]:
    """Every result that the portal showed at the end, by name."""
    found: dict[str, list[float]] = {}
    for job in json.loads(experiment.portal.read_text())["jobs"]:
        for metric in job.get("finalMetricData") or ():
            name = name_of(job["hyperParameters"][0])
            found.setdefault(name, []).append(json.loads(json.loads(metric["data"]))["default"])
    return found


def _strategy(experiment: Experiment) -> dict[str, list[float]]:
    """Every result that the search counted, by hash."""
    from trionet_nni.architecture.architecture import Architecture

    assert experiment.files is not None
    found: dict[str, list[float]] = {}
    state = read_journaled(experiment.files.strategy)["strategy"]
    for score, architecture in state["evaluated"]:
        found.setdefault(Architecture.from_dict(architecture).hash, []).append(score)
    return found


def kinds(killed: list[str]) -> str:
    """How often each kind of process was killed."""
    return ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(killed).items()))
