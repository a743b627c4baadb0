"""NNI's execution engine on top of the trials of an ordinary experiment.

Everything happens in the strategy's thread: the advisor posts messages, and they are handled whenever the
strategy waits. So neither the strategy's lists nor the engine's need a lock, and a saved state is whole.
"""

from __future__ import annotations

import logging
import math
import queue
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nni.nas.execution import ExecutionEngine
from nni.nas.execution.event import FinalMetricEvent, TrainingEndEvent
from nni.nas.space import ModelStatus

from trionet_nni.architecture.architecture import Sample
from trionet_nni.nnictl.candidate.job import FINALIST, SUPERNET
from trionet_nni.nnictl.search.candidate import CandidateSpace
from trionet_nni.nnictl.search.failures import LOST, Failure, Failures
from trionet_nni.nnictl.search.finalist_stage import FinalistModel, FinalistStage
from trionet_nni.nnictl.search.supernet_stage import SupernetStage

_log = logging.getLogger("trionet_nni.engine")
Message = Callable[[], None]
_LOSSES = 10  # of hosts, under one candidate; any further one counts as its own failure
_ENDED = {"SUCCEEDED", "FAILED", "USER_CANCELED", "SYS_CANCELED", "EARLY_STOPPED"}


class SearchFailed(RuntimeError):
    """The search cannot go on; the message says why."""


@dataclass
class Running:
    """A candidate, or a finalist, and its trial.

    Attributes:
        failures: how many of its trials have failed so far.
        losses: how many of its trials were lost with their host.
        score: what the present trial has reported, None before that or if it is no finite number.
        reported: what it reported that is no finite number.
        confirmed: False after a resume, until it is known whether NNI restarted the trial.
    """

    model: CandidateSpace | FinalistModel
    failures: int = 0
    losses: int = 0
    score: float | None = None
    reported: str = ""
    confirmed: bool = True


@dataclass(frozen=True)
class Trials:
    """How trials are started.

    Attributes:
        number: a parameter id that no trial has had.
        submit: starts a trial: (parameter id, parameters).
        one_more: raises NNI's limit of trials by one, for another attempt; True where NNI had already
            reached it, and so asks for no trial by itself.
        known: NNI's status of every trial of before a resume, by parameter id.
        room_for: raises NNI's limit so that it takes so many more trials; True where it took none any more.
        candidates: how many of them may be submitted in all.
        keep: stores what a trial on another machine has reported: (candidate or finalist, evaluation,
            score); it says what is wrong with it. None where trials store their results themselves.
    """

    number: Callable[[], int]
    submit: Callable[[int, dict[str, Any]], None]
    one_more: Callable[[], bool] = lambda: False
    known: Mapping[int, str] = field(default_factory=dict)
    room_for: Callable[[int], bool] = lambda count: False
    candidates: Callable[[], float] = lambda: math.inf
    keep: Callable[[CandidateSpace | FinalistModel, object, float], str] | None = None


class AdvisorEngine(ExecutionEngine):  # type: ignore[misc]
    """Candidates as trials.

    Args:
        space: for candidates that only NNI remembers.
        supernet: the stage that comes first.
        trials: how they are started.
        failures: takes note of those without a result.
        retries: how often a failed candidate or finalist is tried again.
        finalists: the stage that comes last, if there is one.
        stored: the score that the results store has for one of them, or None; see `Evaluation.score`.
        save: writes the state of search and engine.
    """

    def __init__(
        self,
        space: CandidateSpace,
        supernet: SupernetStage,
        trials: Trials,
        failures: Failures,
        *,
        retries: int,
        stored: Callable[[CandidateSpace | FinalistModel], float | None],
        save: Callable[[], None],
        finalists: FinalistStage | None = None,
    ) -> None:
        super().__init__()
        self._space, self._supernet, self._trials, self._failures = space, supernet, trials, failures
        self._retries, self._stored, self._save, self._finalists = retries, stored, save, finalists
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._stopped = False
        self._problem = ""  # why the search cannot go on
        self._idle = 0  # trials that the manager asked for and did not get
        self._again: list[Running] = []  # candidates that wait for another trial
        self._running: dict[int, Running] = {}
        self._early: dict[int, list[Message]] = {}  # messages about trials that are not known yet
        self._ended: set[int] = set()  # a restarted trial may end before NNI says that it restarted it
        self._models: list[CandidateSpace] = []
        self._submitted = 0  # candidates, those of before a resume included
        self._adopted = True  # whether NNI has said which trials it restarted; after a resume not yet
        self.on_adopted: Callable[[list[CandidateSpace]], None] = lambda models: None

    # What strategies call, in their thread.

    def submit_models(self, *models: CandidateSpace) -> None:
        """Start a trial for each frozen model."""
        for model in models:
            self._models.append(model)
            self._submitted += 1
            self._start(Running(model))

    def idle_worker_available(self) -> bool:
        """Wait until NNI asks for a trial, handling messages; False when the search has to stop."""
        self._handle_until(lambda: self._adopted and self._idle > 0 and self._supernet.state == "done")
        return not self._stopped

    def budget_available(self) -> bool:
        """Whether new models are accepted; what NNI's limit leaves to finalists is not for candidates."""
        return not self._stopped and self._submitted < self._trials.candidates()

    def wait_models(self, *models: CandidateSpace) -> None:
        """Wait until no candidate and no finalist runs or waits for another trial."""
        self._handle_until(lambda: self._adopted and not self._running and not self._again)

    def list_models(self, status: ModelStatus | None = None) -> Iterable[CandidateSpace]:
        """Models of this process's time; those of before a resume are in the results store."""
        return [model for model in self._models if status is None or model.status == status]

    # What the finalists' stage calls, in the same thread.

    @property
    def stopped(self) -> bool:
        """Whether the search has to stop, by NNI's wish."""
        return self._stopped

    def submit_finalist(self, model: FinalistModel) -> None:
        """Start its trial."""
        self._start(Running(model))

    def room_for(self, count: int) -> None:
        """Have NNI take so many further trials, however many attempts and users' trials there were."""
        if self._trials.room_for(count):
            self._idle = max(self._idle, 1)  # what NNI would have asked for at its limit is lost

    # What ends it.

    def shutdown(self) -> None:
        """Let the strategy's thread end; called from another one."""
        self.post(self._stop)

    # What the advisor posts, from its own thread.

    def post(self, message: Message) -> None:
        """Have something done in the strategy's thread."""
        self._inbox.put(message)

    def request(self, count: int) -> None:
        """NNI has `count` more workers."""
        self._idle += count

    def metric(
        self, parameter_id: int, score: float | None, reported: str = "", evaluation: object = None
    ) -> None:
        """A trial's final result; None, and what it reported, where it is no finite number.

        Args:
            evaluation: what is to be stored, where the trial runs on another machine.
        """
        running = self._running.get(parameter_id)
        if running is None:
            self._keep(parameter_id, lambda: self.metric(parameter_id, score, reported, evaluation))
            return
        keep = self._trials.keep
        if score is not None and keep is not None:
            wrong = keep(running.model, evaluation, score)
            score, reported = (None, wrong) if wrong else (score, reported)
        running.score, running.reported = score, reported if score is None else ""

    def trial_ended(self, parameter_id: int, trial: str, event: str) -> None:
        """A trial has ended, however it did."""
        if parameter_id == self._supernet.parameter_id and self._supernet.state == "running":
            self._ended.add(parameter_id)
            if self._supernet.ended(trial):
                self._make_room()
            _log.info("supernet: trial %s %s, now %s", trial, event, self._supernet.state)
            self._save()
        elif parameter_id in self._running:
            self._ended.add(parameter_id)
            running = self._running.pop(parameter_id)
            running.confirmed = True
            self._finish(running, trial, event)
        else:
            self._keep(parameter_id, lambda: self.trial_ended(parameter_id, trial, event))

    def users_trial_ended(self, trial: str, event: str) -> None:
        """A trial that a user added by hand has ended; one without a result is noted."""
        if event != "SUCCEEDED":
            self._failures.add(Failure(trial, None, 1, event, self._failures.reason(trial, event)))

    def adopt(self, trials: dict[int, dict[str, Any]], others: int = 0) -> None:
        """After a resume: which trials NNI restarted, by parameter id. The others are put back.

        A restarted trial may end before NNI says that it restarted it, and NNI then offers its worker: that
        waits until now. A new trial would take the number of one that was saved and never reached NNI.

        Args:
            others: restarted trials without an id, which a user had added; they take workers too.
        """
        self._idle -= others
        for parameter_id, parameters in trials.items():
            self._idle -= 1  # it takes one of the workers that NNI is about to offer
            self._adopt(parameter_id, parameters)
        if self._supernet.state == "running" and self._supernet.parameter_id not in trials:
            self._supernet.put_back()
        for parameter_id in [key for key, running in self._running.items() if not running.confirmed]:
            self._put_back(parameter_id)
        self._adopted = True
        self._save()

    # State.

    def state_dict(self) -> dict[str, Any]:
        """As JSON: candidates with a trial, and those that wait for another one."""
        return {
            "supernet": self._supernet.state_dict(),
            "submitted": self._submitted,
            "running": {
                str(number): {"sample": running.model.sample, "failures": running.failures}
                for number, running in self._running.items()
            },
            "again": [
                {"sample": running.model.sample, "failures": running.failures} for running in self._again
            ],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a saved state. Nothing is started before `adopt`."""
        self._adopted = False
        self._supernet.load_state_dict(state["supernet"])
        self._submitted = state.get("submitted", 0)  # counted since there are finalists
        for number, saved in state["running"].items():
            running = self._restored(saved["sample"], saved["failures"])
            running.confirmed = False
            self._running[int(number)] = running
        self._again = [self._restored(saved["sample"], saved["failures"]) for saved in state["again"]]

    def unfinished(self) -> list[CandidateSpace]:
        """Candidates without a result: those with a trial, and those that wait for another one."""
        models = [running.model for running in (*self._running.values(), *self._again)]
        return [model for model in models if isinstance(model, CandidateSpace)]

    def _restored(self, sample: Sample, failures: int = 0) -> Running:
        if self._finalists is not None and sample.get("stage") == FINALIST:
            return Running(self._finalists.model(sample), failures)
        model = self._space.freeze(sample)
        model.status = ModelStatus.Training
        self._models.append(model)
        return Running(model, failures)

    def _adopt(self, parameter_id: int, parameters: dict[str, Any]) -> None:
        if parameter_id in self._ended:
            return
        if parameters == SUPERNET:
            self._supernet.adopt(parameter_id)
        elif parameter_id in self._running:
            self._running[parameter_id].confirmed = True
        else:
            restored = self._running[parameter_id] = self._restored(parameters)
            if isinstance(restored.model, CandidateSpace):
                self._submitted += 1
                self.on_adopted([restored.model])
        for message in self._early.pop(parameter_id, []):
            message()

    def _put_back(self, parameter_id: int) -> None:
        """A candidate whose trial NNI did not restart: it has ended, or NNI never heard of it."""
        running = self._running.pop(parameter_id)
        running.confirmed = True
        event = self._trials.known.get(parameter_id)
        stored = self._stored(running.model)
        if event == "SUCCEEDED" and stored is not None:
            running.score = stored  # NNI has it; the message was lost
        if event in _ENDED:
            self._finish(running, f"of parameters {parameter_id}", str(event))
        else:
            self._again.append(running)
            if event is not None:  # NNI counts it, and will not restart it
                self._make_room()

    # The loop.

    def _handle_until(self, condition: Callable[[], bool]) -> None:
        self._start_waiting()
        while not self._stopped and not condition():
            self._inbox.get()()
            self._start_waiting()

    def _start_waiting(self) -> None:
        """Give idle workers to the supernet first, then to candidates that have to be tried again."""
        if self._stopped:
            return
        if self._supernet.state == "failed":
            raise SearchFailed(self._supernet.problem)
        if self._problem:
            raise SearchFailed(self._problem)
        if not self._adopted:
            return
        if self._supernet.state == "waiting" and self._idle > 0:
            number = self._trials.number()
            self._supernet.start(number)
            self._submit(number, dict(SUPERNET))
        while self._again and self._idle > 0 and self._supernet.state == "done":
            self._start(self._again.pop(0))

    def _start(self, running: Running) -> None:
        running.score, running.reported = None, ""
        running.model.status = ModelStatus.Training
        assert running.model.sample is not None
        number = self._trials.number()
        self._running[number] = running
        self._submit(number, running.model.sample)

    def _submit(self, number: int, parameters: dict[str, Any]) -> None:
        """Saved first: a search that dies in between proposes this candidate again, and no other one."""
        self._idle -= 1
        self._save()
        self._trials.submit(number, parameters)

    def _finish(self, running: Running, trial: str, event: str) -> None:
        """A candidate's trial has ended: result, another trial, or failure.

        A result that is stored and not reported, because the trial died in between, is not lost; another
        trial reports it, so that NNI shows what the search counts.
        """
        model = running.model
        stored = self._stored(model)
        score = running.score if event == "SUCCEEDED" else None
        if stored is None and isinstance(model, FinalistModel):
            score = None  # who goes on is read from the store: a report alone would change nothing
        if stored is not None and (score is not None or running.failures >= self._retries):
            score = stored
        if score is None and event == LOST and running.losses < _LOSSES:
            self._lost(running, trial)
        elif score is None:
            self._failed(running, trial, event)
        else:
            self._failures.succeeded()
            self._tell(model, score)
        self._save()

    def _tell(self, model: CandidateSpace | FinalistModel, score: float | None) -> None:
        """The strategy hears of a candidate, the store of a finalist that was given up."""
        if isinstance(model, FinalistModel):
            if score is None and self._finalists is not None:
                self._finalists.store.give_up(model.training)
            return
        if score is not None:
            self.dispatch_model_event(FinalMetricEvent(model, score))
        status = ModelStatus.Failed if score is None else ModelStatus.Trained
        self.dispatch_model_event(TrainingEndEvent(model, status))

    def _failed(self, running: Running, trial: str, event: str) -> None:
        """No result: another trial or none, and the end of the search where too many fail."""
        model = running.model
        running.failures += 1
        reason = self._failures.reason(trial, event, running.reported)
        self._failures.add(Failure(trial, model.architecture.hash, running.failures, event, reason))
        if running.failures <= self._retries:
            self._again.append(running)
            self._make_room()
        else:
            _log.warning("%s: given up after %d trials", model.architecture.hash, running.failures)
            self._tell(model, None)
        self._problem = self._failures.too_many() or ""

    def _lost(self, running: Running, trial: str) -> None:
        """Its host is gone: it is tried on another one, and nothing is wrong with the candidate."""
        running.losses += 1
        self._failures.lost(trial, running.model.architecture.hash, running.failures + 1)
        self._again.append(running)
        self._make_room()

    def _make_room(self) -> None:
        """Another attempt must not cost the search a candidate."""
        if self._trials.one_more():
            self._idle += 1

    def _keep(self, parameter_id: int, message: Message) -> None:
        self._early.setdefault(parameter_id, []).append(message)

    def _stop(self) -> None:
        self._stopped = True
