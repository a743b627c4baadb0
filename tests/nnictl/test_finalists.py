"""Finalists under real nnictl experiments: who is trained, what NNI shows, that kills change nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from spaces.small import TABLE
from tests.helpers.toy_experiment import ToyExperiment, is_supernet, parameters
from tests.helpers.toy_supernet import toy_finalist_loss
from trionet_nni.commands import accompany as searching
from trionet_nni.errors import InputError
from trionet_nni.export import best as exporting
from trionet_nni.finalists.field import Field
from trionet_nni.finalists.halving import Rung, Training, rungs, trials
from trionet_nni.finalists.in_process import run_field
from trionet_nni.finalists.pilots import choose_pilots
from trionet_nni.finalists.results import FinalistStore
from trionet_nni.nnictl.candidate.finalist import training_of
from trionet_nni.nnictl.terminal import launch
from trionet_nni.nnictl.terminal.screen import Screen
from trionet_nni.nnictl.terminal.watch import Snapshot
from trionet_nni.settings.project import FinalistsConfig

FINALISTS = {"count": 3, "steps": 4, "repeats": 2}  # three networks once, two of them twice
PILOTED = {"count": 2, "steps": 4, "repeats": 2, "pilots": 4}  # six networks once, two of them twice
CANDIDATES = 6


class Toy(ToyExperiment):
    """An experiment with finalists, run by `trionet search`.

    Attributes:
        jobs: what the portal shows when the search is over.
        config: of the finalists.
    """

    jobs: list[dict[str, Any]]
    config: FinalistsConfig

    def prepare(self, finalists: dict[str, int], **settings: str) -> None:
        self.set(**settings)
        self.config = FinalistsConfig(**finalists)
        most = 1 + CANDIDATES + trials(self.ladder)
        self.write(trials=most, retrain={"warmup_epochs": 0}, finalists=finalists)

    @property
    def ladder(self) -> tuple[Rung, ...]:
        return rungs(**dict(self.config))

    @property
    def finalists(self) -> FinalistStore:
        return FinalistStore(self.experiment_folder.finalists)

    def steps(self) -> Counter[str]:
        """How often each step of each finalist was taken."""
        return Counter(what for what, _ in self.calls("step"))


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toy]:
    experiment = Toy(tmp_path, monkeypatch)
    for name in ("create", "resume"):
        start = getattr(launch, name)

        def remembered(*arguments: Any, start: Any = start, **options: Any) -> launch.Experiment:
            experiment.started.append(start(*arguments, **options))
            return experiment.started[-1]

        monkeypatch.setattr(launch, name, remembered)
    monkeypatch.setattr(searching, "_POLL_SECONDS", 0.1)

    def keep(*given: Any) -> list[Any]:
        experiment.jobs = experiment.manager.jobs()  # the portal is gone afterwards
        return []

    monkeypatch.setattr(exporting, "export", keep)
    monkeypatch.setattr(exporting, "print_exported", lambda rows, out: None)
    try:
        yield experiment
    finally:
        experiment.close()


def check(toy: Toy) -> None:
    """Everything is there once: candidates, finalists, steps; and the winner is who it has to be."""
    finalists = [job for job in toy.jobs if parameters(job).get("stage") == "finalist"]
    candidates = [job for job in toy.jobs if job not in finalists and not is_supernet(job)]
    assert len(toy.evaluated(CANDIDATES)) == len(toy.store) == CANDIDATES, toy.log()
    ended = [job for job in candidates if job.get("finalMetricData")]
    assert len(ended) == CANDIDATES

    top = toy.store.top(CANDIDATES)
    store, ladder = toy.finalists, toy.ladder
    if toy.config.pilots:
        (pilots,) = store.pilots() or [[]]
        assert pilots == list(choose_pilots([one.architecture for one in top], toy.config.pilots))
    field = Field(toy.config, TABLE, "loss", lambda: [top])
    expected = run_field(field, ladder, lambda network, rung: toy_finalist_loss(Training(network, rung)))
    (chosen,), (ordered,) = store.chosen() or [[]], store.ordered(ladder)
    assert {one.hash for one in chosen} == {network.hash for network, _, _ in expected}
    assert [(one.architecture, one.results[-1].training.rung, one.loss) for one in ordered] == expected

    # What the portal shows is what was trained: stage, rung, steps, the network, and its loss.
    shown: Counter[tuple[str, int]] = Counter()
    for job in finalists:
        for metric in job.get("finalMetricData") or ():
            training = training_of(parameters(job), "trionet-small", ladder)
            assert parameters(job)["steps"] == training.rung.steps
            value = json.loads(json.loads(metric["data"]))
            assert value["default"] == -value["loss"] == -toy_finalist_loss(training)
            shown[training.key] += 1
    assert sorted(rung for _, rung in shown) == on_rungs(toy) and set(shown.values()) == {1}


def on_rungs(toy: Toy) -> list[int]:
    """The rung of every training there has to be: of all finalists, and of the better half."""
    (chosen,) = toy.finalists.chosen() or [[]]
    assert len(chosen) == toy.config.count + toy.config.pilots
    return [rung.number for rung in toy.ladder for _ in range(rung.networks)]


@pytest.mark.slow
def test_the_best_are_trained_after_the_search(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where two trainings fail late: each goes on from its checkpoint, and no step is taken twice."""
    toy.prepare(FINALISTS, TOY_LATE="7,10")
    assert searching.search(toy.yaml) == 0
    check(toy)
    assert Counter(job["status"] for job in toy.jobs) == {
        "SUCCEEDED": 1 + CANDIDATES + len(on_rungs(toy)),
        "FAILED": 2,
    }
    assert set(toy.steps().values()) == {1} and len(toy.steps()) == 4 * len(on_rungs(toy))
    assert len(toy.failures()) == 2
    said = capsys.readouterr().out
    assert f" of {CANDIDATES}, 0 failed" in said
    assert re.search(r"finalists: rung 2 of 2, (5) of \1 trained, 2 failed, best loss 0\.\d{4}", said)


@pytest.mark.slow(seconds=90)
def test_kills_in_this_stage_lose_and_repeat_nothing(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process there is, one after the other, each after one more training has ended; with pilots."""
    toy.prepare(PILOTED, TOY_STEP="0.4")
    kinds = ["trial", "advisor", "terminal", "manager"]
    killed: list[str] = []

    def disturb(snapshot: Snapshot) -> None:
        done = snapshot.finalists.done if snapshot.finalists is not None else 0
        if len(killed) == len(kinds) or done <= len(killed):
            return
        kind = kinds[len(killed)]
        victim = victim_of(toy, kind)
        if kind != "terminal" and victim is None:
            return
        killed.append(kind)
        if victim is None:
            raise KeyboardInterrupt  # Ctrl-C; the experiment goes on without it
        victim.kill()

    monkeypatch.setattr(Screen, "show", lambda screen, snapshot: disturb(snapshot))
    for _ in range(1 + 2 * len(kinds)):
        if searching.search(toy.yaml) == 0:
            break
    assert killed == kinds
    check(toy)
    # A step that was noted and whose checkpoint was not yet there is the only one that may be taken twice.
    repeated = [what for what, count in toy.steps().items() if count > 1]
    assert len(repeated) <= 2 * len(kinds) and len({one.id for one in toy.started}) == 1


def victim_of(toy: Toy, kind: str) -> psutil.Process | None:
    if kind == "manager":
        return psutil.Process(toy.pid())
    if kind == "advisor":
        return toy.advisor()
    trials = [one for one in toy.processes() if "trionet_nni.nnictl.trial" in one.cmdline()]
    return trials[0] if kind == "trial" and trials else None


@pytest.mark.parametrize(
    "settings, trials, line",
    [
        (FINALISTS, 8, r"maxTrialNumber: found 8, allowed: 9 or more, with 5 trials for search\.finalists"),
        (
            {"count": 3, "steps": 4, "halvings": 1},
            30,
            r"search\.finalists: found \{.*\}, allowed: halvings 0, or left out: repeats has taken",
        ),
        ({"count": 1, "steps": 50}, 30, r"search\.finalists\.count: found 1, allowed: "),
        ({"count": 2}, 30, r"search\.finalists\.steps: found nothing, allowed: "),
        ({"steps": 50, "size": 1}, 30, r"search\.finalists\.size: found 1, allowed: no such key"),
        ({"steps": 100}, 30, r"retrain\.warmup_epochs: found 10, allowed: below the whole run's"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(
    toy: Toy, settings: dict[str, int], trials: int, line: str
) -> None:
    retrain = {"epochs": 5} if settings == {"steps": 100} else {"warmup_epochs": 0}
    toy.write(trials=trials, retrain=retrain, finalists=settings)
    with pytest.raises(InputError, match=line) as error:
        searching.search(toy.yaml)
    assert str(error.value).startswith(f"{toy.yaml}: ") and "\n" not in str(error.value)
    assert not toy.started
