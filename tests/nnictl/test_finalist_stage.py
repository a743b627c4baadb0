"""The stage of finalists on the engine, with trials that end at once. No NNI manager."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spaces.small import TABLE
from tests.helpers.architectures import random_architectures
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.finalists.field import Field
from trionet_nni.finalists.halving import Training, rungs
from trionet_nni.finalists.results import FinalistResult, FinalistStore
from trionet_nni.nnictl.candidate.awake import Ages, Awake
from trionet_nni.nnictl.candidate.finalist import parameters_of, training_of
from trionet_nni.nnictl.search.candidate import CandidateSpace
from trionet_nni.nnictl.search.deadline import overdue, silent
from trionet_nni.nnictl.search.engine import AdvisorEngine, Trials
from trionet_nni.nnictl.search.failures import Failures
from trionet_nni.nnictl.search.finalist_stage import FinalistModel, FinalistStage
from trionet_nni.nnictl.search.supernet_stage import SupernetStage
from trionet_nni.nnictl.search.trial_limit import TrialLimit
from trionet_nni.nnictl.terminal.finalists import FinalistWatch
from trionet_nni.settings.project import FinalistsConfig
from trionet_nni.supernet.results import Evaluation

NETWORKS = random_architectures(TABLE, 6)
LADDER = rungs(4, 100, repeats=2)  # four networks once, two of them twice
SPACE = CandidateSpace(TABLE)
THREE = FinalistsConfig(count=3, steps=100)
PILOTED = FinalistsConfig(count=2, steps=100, repeats=2, pilots=4)


def loss_of(training: Training) -> float:
    return NETWORKS.index(training.architecture) / 10 + training.rung.number


def evaluated(brackets: list[list[Architecture]]) -> list[list[Evaluation]]:
    """As a supernet that ranks each bracket in its own order."""
    return [
        [
            Evaluation(one, 0.5, 10, 1_000_000 + place, 10, 0.1, loss=place / 10)
            for place, one in enumerate(bracket)
        ]
        for bracket in brackets
    ]


class Bench:
    """An engine whose trials end as `ends` says, at once.

    Attributes:
        sent: parameters of every trial.
        room: trials that NNI was asked to take.
    """

    def __init__(
        self, folder: Path, brackets: list[list[Any]], limit: float = 10, config: FinalistsConfig = THREE
    ) -> None:
        self.files = ExperimentFolder(folder)
        self.store = FinalistStore(self.files.finalists)
        self.ladder = LADDER if config is THREE else rungs(**dict(config))
        field = Field(config, TABLE, "loss", lambda: evaluated(brackets))
        self.stage = FinalistStage(self.store, self.ladder, TABLE.space, field)
        self.sent: list[dict[str, Any]] = []
        self.room: list[int] = []
        self.ends: Callable[[Training], str] = lambda training: "SUCCEEDED"
        supernet = SupernetStage(self.files, "h")
        supernet.state = "done"
        self.engine = AdvisorEngine(
            SPACE,
            supernet,
            Trials(lambda: len(self.sent), self.submit, room_for=self.room_for, candidates=lambda: limit),
            Failures(self.files),
            retries=1,
            stored=self.stored,
            save=lambda: None,
            finalists=self.stage,
        )
        self.engine.request(2)

    def stored(self, model: CandidateSpace | FinalistModel) -> float | None:
        if not isinstance(model, FinalistModel):
            return None
        result = self.store.get(model.training)
        return None if result is None else result.score("loss")

    def room_for(self, count: int) -> bool:
        self.room.append(count)
        return False

    def submit(self, number: int, parameters: dict[str, Any]) -> None:
        self.sent.append(parameters)
        if "stage" not in parameters:
            return
        training = training_of(parameters, TABLE.space, self.ladder)
        event = self.ends(training)
        if event == "SUCCEEDED":
            self.store.add(FinalistResult(training, loss_of(training), 0.5, 10, 1.0))
        self.engine.post(lambda: self.engine.metric(number, None if event == "FAILED" else 0.5))
        self.engine.post(lambda: self.engine.trial_ended(number, "t", event.partition(" ")[0]))
        self.engine.post(lambda: self.engine.request(1))

    def trained(self) -> list[tuple[str, int]]:
        return [training_of(one, TABLE.space, self.ladder).key for one in self.sent]


def test_rung_after_rung_and_the_best_of_the_last_one_wins(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [NETWORKS])
    assert not bench.stage.begun and bench.stage.run(bench.engine) and bench.stage.begun
    (chosen,) = bench.store.chosen() or [[]]
    assert bench.trained() == [(one.hash, 1) for one in chosen] + [(one.hash, 2) for one in chosen[:2]]
    assert bench.room == [len(chosen), 2] and bench.engine.unfinished() == []
    first = bench.sent[0]
    assert list(first)[:3] == ["stage", "rung", "steps"] and (first["rung"], first["steps"]) == (1, 100)
    (ordered,) = bench.store.ordered(LADDER)
    assert [one.architecture for one in ordered] == chosen
    again = Bench(tmp_path, [])  # as after a resume: the candidates are not asked for again
    assert again.stage.run(again.engine) and again.sent == []


def test_what_two_budgets_share_is_trained_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [NETWORKS[:3], NETWORKS[:4]])
    assert bench.stage.run(bench.engine)
    assert set(Counter(bench.trained()).values()) == {1}
    assert [ended[0].architecture for ended in bench.store.ordered(LADDER)] == [NETWORKS[0]] * 2


def test_pilots_come_first_and_a_resume_in_their_midst_ends_as_one_in_peace(tmp_path: Path) -> None:
    peace = Bench(tmp_path / "peace", [NETWORKS], config=PILOTED)
    assert peace.stage.run(peace.engine) and peace.room == [4, 2, 2]
    (pilots,), (chosen,) = peace.store.pilots() or [[]], peace.store.chosen() or [[]]
    assert chosen[:4] == pilots and len(set(chosen)) == 6
    assert [number for _, number in peace.trained()] == [1, 1, 1, 1, 1, 1, 2, 2]

    stopped = Bench(tmp_path / "stopped", [NETWORKS], config=PILOTED)
    watch = FinalistWatch(stopped.store, PILOTED)
    assert watch.look() is None
    stopped.ends = lambda training: stopped.engine.shutdown() or "SUCCEEDED"
    assert not stopped.stage.run(stopped.engine) and stopped.stage.begun
    done = len(stopped.trained())
    progress = watch.look()
    assert progress is not None and stopped.store.chosen() is None and 0 < done < 4
    assert (progress.rung, progress.done, progress.total) == (1, done, 8)
    again = Bench(tmp_path / "stopped", [NETWORKS], config=PILOTED)
    assert again.stage.run(again.engine)
    assert stopped.trained() + again.trained() == peace.trained()
    progress = watch.look()
    assert progress is not None and (progress.done, progress.total) == (8, 8)
    assert again.store.ordered(again.ladder) == peace.store.ordered(peace.ladder)


def test_who_follows_is_decided_by_the_pilots_that_have_a_result(tmp_path: Path) -> None:
    peace = Bench(tmp_path / "peace", [NETWORKS], config=PILOTED)
    assert peace.stage.run(peace.engine)
    (pilots,) = peace.store.pilots() or [[]]
    failing = Bench(tmp_path / "failing", [NETWORKS], config=PILOTED)
    failing.ends = lambda training: "FAILED" if training.architecture in pilots else "SUCCEEDED"
    assert failing.stage.run(failing.engine)
    (chosen,) = failing.store.chosen() or [[]]
    rest = [one for one in NETWORKS if one not in pilots]
    assert chosen == [*pilots, *rest[:2]]  # the supernet's own first ones
    assert {one.architecture for one in failing.store.ordered(failing.ladder)[0]} == set(rest[:2])


def test_budgets_with_pilots_train_what_they_share_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [[], NETWORKS[:5], NETWORKS], config=PILOTED)
    assert bench.stage.run(bench.engine)
    assert set(Counter(bench.trained()).values()) == {1}
    assert [len(one) for one in bench.store.chosen() or []] == [0, 5, 6]
    assert len(bench.trained()) <= bench.stage.trials(3)


def test_a_kill_between_pilots_and_the_choice_is_gone_on_from(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [NETWORKS], config=PILOTED)
    assert bench.stage.run(bench.engine)
    before = bench.store.chosen()
    (bench.store.folder / "finalists.json").unlink()
    assert bench.store.ordered(bench.ladder) == []  # pilots alone are of all ranks: nobody leads yet
    again = Bench(tmp_path, [NETWORKS], config=PILOTED)
    assert again.stage.begun and again.stage.run(again.engine)
    assert again.sent == [] and again.store.chosen() == before


@pytest.mark.parametrize("event", ["FAILED", "SUCCEEDED but nothing is stored"])
def test_who_fails_is_tried_again_and_then_given_up(tmp_path: Path, event: str) -> None:
    bench = Bench(tmp_path, [NETWORKS[:4]])
    bench.ends = lambda training: event if training.architecture == NETWORKS[0] else "SUCCEEDED"
    assert bench.stage.run(bench.engine)
    assert Counter(bench.trained())[NETWORKS[0].hash, 1] == 2  # retries: 1
    (ordered,) = bench.store.ordered(LADDER)
    assert [one.architecture for one in ordered] == NETWORKS[1:3]
    assert len(bench.files.failures.read_text().splitlines()) == 2
    again = Bench(tmp_path, [])
    assert again.stage.run(again.engine) and again.sent == []


def test_a_resumed_engine_knows_its_finalists_and_no_strategy_sees_them(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [NETWORKS[:4]])
    bench.stage.store.choose([NETWORKS[:4]])
    running = [Training(network, LADDER[0]) for network in NETWORKS[:3]]
    candidate = SPACE.freeze(NETWORKS[4].to_sample())
    bench.ends = lambda training: "never"
    for one in running[:2]:
        bench.engine._start_waiting = lambda: None  # type: ignore[method-assign]
        bench.engine.submit_finalist(FinalistModel(one))
    bench.engine.submit_models(candidate)
    state = bench.engine.state_dict()
    assert state["submitted"] == 1

    heard: list[CandidateSpace] = []
    later = Bench(tmp_path, [])
    later.engine.on_adopted = heard.extend
    later.engine.load_state_dict(state)
    assert [model.architecture for model in later.engine.unfinished()] == [candidate.architecture]
    # NNI has restarted the first, and one that it alone remembers; the second has to start anew.
    later.engine.adopt({0: parameters_of(running[0]), 7: parameters_of(running[2])})
    assert heard == []
    assert {one["sample"]["rung"] for one in later.engine.state_dict()["running"].values()} == {1}
    again = [one["sample"] for one in later.engine.state_dict()["again"]]
    assert parameters_of(running[1]) in again and candidate.sample in again


def test_candidates_end_where_finalists_begin(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [NETWORKS], limit=2)
    assert bench.engine.budget_available()
    for network in NETWORKS[:2]:
        bench.engine.submit_models(SPACE.freeze(network.to_sample()))
    assert not bench.engine.budget_available() and not bench.engine.stopped


class Portal:
    """NNI's manager, as far as the limit of trials needs it."""

    def __init__(self, limit: int, trials: int) -> None:
        self.limit, self.trials = limit, trials

    def profile(self) -> dict[str, Any]:
        return {"params": {"maxTrialNumber": self.limit}}

    def jobs(self) -> list[int]:
        return [0] * self.trials

    def put(self, path: str, body: Any) -> None:
        self.limit = body["params"]["maxTrialNumber"]


def test_the_limit_keeps_room_for_finalists() -> None:
    portal = Portal(20, 5)
    limit: Any = TrialLimit(portal, 6)  # type: ignore[arg-type]
    assert limit.candidates() == 13
    assert not limit.one_more() and portal.limit == 21
    assert limit.candidates() == 13  # another attempt is no further candidate
    portal.limit += 4  # by the user
    assert limit.candidates() == 17
    portal.trials = 24  # some of them the user's own
    assert not limit.room_for(1) and portal.limit == 25
    assert not limit.room_for(4) and portal.limit == 28
    portal.trials = 28
    assert limit.room_for(2) and portal.limit == 30
    assert TrialLimit(portal).candidates() == float("inf")  # type: ignore[arg-type]


def test_a_finalist_may_take_long_but_not_be_silent() -> None:
    def job(name: str, parameters: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps({"parameter_id": 1, "parameters": parameters})
        return {"trialJobId": name, "status": "RUNNING", "startTime": 1, "hyperParameters": [text]}

    finalist = parameters_of(Training(NETWORKS[0], LADDER[0]))
    jobs = [job("supernet", {"stage": "supernet"}), job("candidate", NETWORKS[0].to_sample())]
    jobs += [job("finalist", finalist)]
    now, signs = [0.0], [0.0]
    ages = Ages(Awake(1000, lambda: now[0]))
    for now[0] in (1.0, 100.0):
        late = overdue(jobs, 60, ages), silent(jobs, 60, ages, lambda parameters: signs[0])
        assert late == (([], []) if now[0] == 1 else (["candidate"], ["finalist"]))
    signs[0] = -3600.0  # the clock on the wall was set back, and the training wrote something
    assert silent(jobs, 60, ages, lambda parameters: signs[0]) == []
