"""The execution engine alone: retries, early messages, resumption. No NNI manager."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from nni.nas.execution.event import ModelEventType, TrainingEndEvent
from nni.nas.space import ModelStatus

from spaces.small import TABLE
from tests.helpers.architectures import random_architectures
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.nnictl.candidate.awake import Ages, Awake
from trionet_nni.nnictl.search.candidate import CandidateSpace
from trionet_nni.nnictl.search.deadline import overdue
from trionet_nni.nnictl.search.engine import AdvisorEngine, SearchFailed, Trials
from trionet_nni.nnictl.search.failures import Failures
from trionet_nni.nnictl.search.supernet_stage import SupernetStage

SPACE = CandidateSpace(TABLE)


class Bench:
    """An engine, what it sent, and what its strategy heard."""

    def __init__(self, tmp_path: Path, *, first: int = 0, supernet: str = "done") -> None:
        self.first, self.sent = first, list[dict[str, Any]]()
        self.heard: list[tuple[str, float | None]] = []
        self.stored: dict[str, float] = {}
        self.known: dict[int, str] = {}
        self.folder = ExperimentFolder(tmp_path / "runs" / "id")
        self.room, self.exhausted = 0, False  # trials that NNI was asked for beyond its limit; reached?
        self.stage = SupernetStage(self.folder, "h")
        self.stage.state = supernet  # type: ignore[assignment]
        self.engine = AdvisorEngine(
            SPACE,
            self.stage,
            Trials(self.number, self.submit, self.one_more, self.known),
            Failures(self.folder),
            retries=1,
            stored=lambda model: self.stored.get(model.architecture.hash),
            save=lambda: None,
        )
        self.engine.register_model_event_callback(ModelEventType.TrainingEnd, self.hear)

    def one_more(self) -> bool:
        self.room += 1
        return self.exhausted

    def store(self, model: CandidateSpace, score: float) -> None:
        self.stored[model.architecture.hash] = score

    def number(self) -> int:
        return self.first + len(self.sent)

    def submit(self, number: int, parameters: dict[str, Any]) -> None:
        assert number == self.number()
        self.sent.append(parameters)

    def hear(self, event: TrainingEndEvent) -> None:
        self.heard.append((event.model.architecture.hash, event.model.metric))

    def does(self, *messages: Callable[[], None]) -> None:
        """Have the strategy's thread handle these and stop."""
        for message in messages:
            self.engine.post(message)
        self.engine.shutdown()
        self.engine.idle_worker_available()
        self.engine._stopped = False

    def model(self, seed: int = 0) -> CandidateSpace:
        frozen = SPACE.freeze(random_architectures(TABLE, 1, seed)[0].to_sample())
        assert isinstance(frozen, CandidateSpace)
        return frozen


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_result_reaches_the_strategy(bench: Bench) -> None:
    engine, model = bench.engine, bench.model()
    engine.request(1)
    assert engine.idle_worker_available()
    engine.submit_models(model)
    assert bench.sent == [model.sample]
    engine.metric(0, 0.5)
    engine.trial_ended(0, "t", "SUCCEEDED")
    assert bench.heard == [(model.architecture.hash, 0.5)]
    assert model.status == ModelStatus.Trained and engine.unfinished() == []


def test_candidates_of_a_lost_host_are_tried_elsewhere_and_have_not_failed(bench: Bench) -> None:
    """Twelve at once, and again: neither are they given up, nor does the search end."""
    engine, models = bench.engine, [bench.model(seed) for seed in range(12)]
    engine.request(12)
    engine.submit_models(*models)
    for number in range(12):
        engine.trial_ended(number, f"t{number}", "SYS_CANCELED")
    bench.does(lambda: engine.request(12))
    assert bench.sent == [model.sample for model in models] * 2 and bench.room == 12
    for number in range(12, 24):
        engine.trial_ended(number, f"t{number}", "SYS_CANCELED")
    bench.does(lambda: engine.request(12))
    engine.metric(24, 0.5)
    engine.trial_ended(24, "t24", "SUCCEEDED")
    assert bench.heard == [(models[0].architecture.hash, 0.5)]
    lines = [json.loads(line) for line in bench.folder.failures.read_text().splitlines()]
    assert len(lines) == 24 and {line["reason"] for line in lines} == {"its host was lost"}


def test_what_a_host_reports_is_stored_or_is_no_result(tmp_path: Path) -> None:
    """A result of another architecture is none: the candidate is tried again."""
    bench, kept = Bench(tmp_path), list[object]()

    def keep(model: CandidateSpace, evaluation: object, score: float) -> str:
        kept.append(evaluation)
        bench.store(model, score)
        return "" if evaluation == "right" else "a result of another architecture"

    engine, model = bench.engine, bench.model()
    engine._trials = replace(engine._trials, keep=keep)
    engine.request(2)
    engine.submit_models(model)
    engine.metric(0, 0.5, "0.5", "wrong")
    bench.stored.clear()
    engine.trial_ended(0, "t", "SUCCEEDED")
    assert bench.heard == [] and "another architecture" in bench.folder.failures.read_text()
    bench.does()
    engine.metric(1, 0.25, "0.25", "right")
    engine.trial_ended(1, "u", "SUCCEEDED")
    assert bench.heard == [(model.architecture.hash, 0.25)] and kept == ["wrong", "right"]


@pytest.mark.parametrize("event, score", [("FAILED", 0.5), ("SUCCEEDED", None), ("USER_CANCELED", None)])
def test_trial_without_a_result_is_tried_again_and_then_given_up(
    bench: Bench, event: str, score: float | None
) -> None:
    engine, model = bench.engine, bench.model()
    engine.request(1)
    engine.submit_models(model)
    engine.metric(0, score)
    engine.trial_ended(0, "t", event)
    assert bench.heard == [] and engine.unfinished() == [model]
    bench.does(lambda: engine.request(1))
    assert bench.sent == [model.sample] * 2
    engine.trial_ended(1, "t", event)
    assert bench.heard == [(model.architecture.hash, None)] and model.status == ModelStatus.Failed


def test_stored_result_is_reported_by_another_trial_and_counts_in_any_case(bench: Bench) -> None:
    """Its trial died between storing and reporting: NNI would not show what the search counts."""
    engine, model = bench.engine, bench.model()
    engine.request(1)
    engine.submit_models(model)
    bench.store(model, 0.75)
    engine.trial_ended(0, "t", "FAILED")
    assert bench.heard == [] and bench.room == 1
    bench.does(lambda: engine.request(1))
    engine.trial_ended(1, "t", "USER_CANCELED")
    assert bench.heard == [(model.architecture.hash, 0.75)] and len(bench.sent) == 2


def test_state_is_saved_before_a_trial_is_sent(bench: Bench) -> None:
    """Who dies in between must propose the same candidate again, and draw no other one."""
    engine, model = bench.engine, bench.model()
    states: list[tuple[int, dict[str, Any]]] = []
    engine._save = lambda: states.append((len(bench.sent), engine.state_dict()))
    engine.request(1)
    engine.submit_models(model)
    sent, state = states[0]
    assert sent == 0 and state["running"]["0"]["sample"] == model.sample


def failures(bench: Bench) -> list[dict[str, Any]]:
    return [json.loads(line) for line in bench.folder.failures.read_text().splitlines()]


def test_failures_are_recorded_with_their_reason(bench: Bench) -> None:
    engine, model = bench.engine, bench.model()
    stderr = bench.folder.trial_file("t1", "trial.stderr")
    stderr.parent.mkdir(parents=True)
    stderr.write_text("Traceback\nRuntimeError: no memory\n")
    engine.request(1)
    engine.submit_models(model)
    engine.metric(0, None, "NaN")
    bench.does(lambda: engine.trial_ended(0, "t0", "SUCCEEDED"), lambda: engine.request(1))
    engine.trial_ended(1, "t1", "FAILED")
    engine.users_trial_ended("t2", "USER_CANCELED")
    engine.users_trial_ended("t3", "SUCCEEDED")
    assert [(item["trial"], item["attempt"], item["reason"]) for item in failures(bench)] == [
        ("t0", 1, "it reported NaN, allowed: a finite number"),
        ("t1", 2, "RuntimeError: no memory"),
        ("t2", 1, "it was killed, or cancelled by a user"),
    ]
    assert [item["hash"] for item in failures(bench)] == [model.architecture.hash] * 2 + [None]


@pytest.mark.parametrize("good", [10, 9])
def test_search_ends_when_more_than_half_of_the_last_trials_fail(bench: Bench, good: int) -> None:
    engine = bench.engine
    engine._retries = 0
    models = list({model.architecture.hash: model for model in map(bench.model, range(60))}.values())[:30]
    engine.request(30)
    engine.submit_models(*models)
    for number in range(10):  # these are forgotten
        engine.metric(number, 0.5)
        engine.trial_ended(number, "t", "SUCCEEDED")
    for number in range(10, 30):
        if number < 10 + good:
            engine.metric(number, 0.5)
        engine.trial_ended(number, f"t{number}", "SUCCEEDED")
    if good == 10:
        return bench.does()
    message = "11 of the last 20 trials failed; the last one: it ended without a result"
    with pytest.raises(SearchFailed, match=message):
        bench.does()


@pytest.mark.parametrize("status, failed, room", [("FAILED", 1, 1), ("ADD_RESUMED", 0, 1), (None, 0, 0)])
def test_trial_that_ended_while_nobody_listened(
    tmp_path: Path, status: str | None, failed: int, room: int
) -> None:
    """NNI counts it and does not restart it; ADD_RESUMED: NNI forgot it, killed while it restarted it."""
    before = Bench(tmp_path)
    model = before.model()
    before.engine.request(1)
    before.engine.submit_models(model)
    after = Bench(tmp_path, first=100)
    after.engine.load_state_dict(before.engine.state_dict())
    after.stage.state = "done"
    if status is not None:
        after.known[0] = status
    after.does(lambda: after.engine.adopt({}), lambda: after.engine.request(1))
    assert after.sent == [model.sample] and after.room == room
    assert after.engine._running[100].failures == failed


def test_a_worker_that_is_offered_too_early_takes_no_number_of_a_saved_trial(tmp_path: Path) -> None:
    """Trial 0 was restarted and ended before NNI said so; trial 1 was saved and never reached NNI."""
    before = Bench(tmp_path)
    models = [before.model(seed) for seed in range(3)]
    before.engine.request(2)
    before.engine.submit_models(*models[:2])
    after = Bench(tmp_path, first=1)  # the first number that NNI does not know
    after.engine.load_state_dict(before.engine.state_dict())
    after.stage.state = "done"
    after.known[0] = "ADD_RESUMED"
    after.engine.post(lambda: after.engine.metric(0, 0.5))
    after.engine.post(lambda: after.engine.trial_ended(0, "t", "SUCCEEDED"))
    after.engine.post(lambda: after.engine.request(1))
    after.engine.shutdown()
    assert not after.engine.idle_worker_available()  # a strategy would have submitted its next one
    after.engine._stopped = False
    assert after.heard == [(models[0].architecture.hash, 0.5)]
    after.does(lambda: after.engine.adopt({0: dict(models[0].sample or {})}))
    after.does(lambda: after.engine.request(2))
    assert after.sent == [models[1].sample]
    after.engine.submit_models(models[2])
    after.engine.metric(1, 0.6)
    after.engine.trial_ended(1, "t", "SUCCEEDED")
    after.engine.metric(2, 0.7)
    after.engine.trial_ended(2, "t", "SUCCEEDED")
    assert [name for name, _ in after.heard] == [model.architecture.hash for model in models]


@pytest.mark.parametrize("exhausted", [False, True])
def test_another_attempt_costs_no_candidate(bench: Bench, exhausted: bool) -> None:
    """NNI's limit grows by one; where it was reached, NNI asks for no trial: it is sent unasked."""
    engine, model = bench.engine, bench.model()
    bench.exhausted = exhausted
    engine.request(1)
    engine.submit_models(model)
    bench.does(lambda: engine.trial_ended(0, "t", "FAILED"))
    assert bench.room == 1 and len(bench.sent) == (2 if exhausted else 1)
    engine.trial_ended(1, "t", "FAILED") if exhausted else None
    assert bench.room == 1  # given up: no further attempt


def test_restarted_trial_of_a_user_takes_a_worker(bench: Bench) -> None:
    engine = bench.engine
    bench.does(lambda: engine.adopt({}, 1), lambda: engine.request(2))
    assert engine._idle == 1


def test_trials_that_hang_are_found() -> None:
    now = [0.0]
    ages = Ages(Awake(1000, lambda: now[0]))
    candidate = json.dumps({"parameter_id": 1, "parameters": {"stage1.depth": 1}})
    supernet = json.dumps({"parameter_id": 0, "parameters": {"stage": "supernet"}})
    jobs = [
        {"trialJobId": name, "status": status, "startTime": 1, "hyperParameters": [parameters]}
        for name, status, parameters in (
            ("a", "RUNNING", candidate), ("b", "SUCCEEDED", candidate), ("c", "RUNNING", supernet),
            ("d", "RUNNING", "[" * 100_000), ("e", "RUNNING", "[1]"),
        )
    ]  # fmt: skip
    assert overdue(jobs, 0, ages) == []  # as far as was seen
    now[0] = 100.0
    assert overdue(jobs, 90, ages) == ["a", "d", "e"] and overdue(jobs, 110, ages) == []


def test_no_candidate_before_the_supernet(tmp_path: Path) -> None:
    bench = Bench(tmp_path, supernet="waiting")
    bench.does(lambda: bench.engine.request(2))
    assert bench.sent == [{"stage": "supernet"}]
    bench.does(lambda: bench.engine.trial_ended(0, "t", "SUCCEEDED"), lambda: bench.engine.request(1))
    assert bench.sent == [{"stage": "supernet"}] * 2  # it left no weights: once more
    with pytest.raises(SearchFailed, match="supernet's trial t failed"):
        bench.does(lambda: bench.engine.trial_ended(1, "t", "FAILED"))


def test_messages_before_adoption_are_kept(bench: Bench) -> None:
    engine, model = bench.engine, bench.model()
    adopted: list[CandidateSpace] = []
    engine.on_adopted = adopted.extend
    assert model.sample is not None
    bench.does(
        lambda: engine.metric(7, 0.25),
        lambda: engine.trial_ended(7, "t", "SUCCEEDED"),
        lambda: engine.adopt({7: dict(model.sample or {})}),
    )
    assert bench.heard == [(model.architecture.hash, 0.25)]
    assert [known.architecture for known in adopted] == [model.architecture]


def test_resume_adopts_puts_back_and_takes_what_is_stored(tmp_path: Path) -> None:
    before = Bench(tmp_path)
    models = [before.model(seed) for seed in range(4)]
    before.engine.request(4)
    before.engine.submit_models(*models)
    after = Bench(tmp_path, first=100)
    (tmp_path / "runs/supernets/h").mkdir(parents=True)
    after.engine.load_state_dict(before.engine.state_dict())
    after.stage.state = "done"
    after.store(models[2], 0.75)
    after.known[2] = "SUCCEEDED"
    engine = after.engine
    after.does(
        lambda: engine.metric(3, 0.5),  # restarted, and over before NNI says so
        lambda: engine.trial_ended(3, "t", "SUCCEEDED"),
        lambda: engine.adopt({0: dict(models[0].sample or {}), 3: dict(models[3].sample or {})}),
        lambda: engine.request(2),
        lambda: engine.request(1),
    )
    assert sorted(after.heard) == sorted(
        [(models[2].architecture.hash, 0.75), (models[3].architecture.hash, 0.5)]
    )
    assert after.sent == [models[1].sample]  # put back
    running = {model.architecture for model in engine.unfinished()}
    assert running == {models[0].architecture, models[1].architecture}


def test_space_refuses_what_it_does_not_hold() -> None:
    sample = random_architectures(TABLE, 1)[0].to_sample()
    assert SPACE.contains(sample)
    assert not SPACE.contains({**sample, "stage1.depth": 3})
    assert not SPACE.contains({})
    assert set(sample) <= set(SPACE.simplify())
    drawn = SPACE.random()
    assert TABLE.contains(drawn.architecture) and set(drawn.sample) <= set(SPACE.simplify())
