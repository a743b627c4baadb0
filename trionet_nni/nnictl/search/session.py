"""One run of a search inside the advisor: what is prepared, the strategy's thread, and what is saved."""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trionet_nni.errors import InputError, failure_line
from trionet_nni.experiment.check import check_trials, prepare
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.experiment.open import open_run
from trionet_nni.experiment.paths import with_absolute_paths
from trionet_nni.files.atomic import write_json, write_text
from trionet_nni.files.journal import Journal, read_journaled
from trionet_nni.finalists.field import Field
from trionet_nni.finalists.halving import rungs
from trionet_nni.finalists.results import FinalistResult, FinalistStore
from trionet_nni.nnictl.candidate.job import parameter_id
from trionet_nni.nnictl.hosts.machines import is_remote
from trionet_nni.nnictl.manager.portal import nni_search_space
from trionet_nni.nnictl.manager.rest import Manager
from trionet_nni.nnictl.search.candidate import CandidateSpace
from trionet_nni.nnictl.search.deadline import Deadline
from trionet_nni.nnictl.search.engine import AdvisorEngine, SearchFailed, Trials
from trionet_nni.nnictl.search.failures import Failures
from trionet_nni.nnictl.search.finalist_stage import FinalistModel, FinalistStage
from trionet_nni.nnictl.search.strategy import build_strategy
from trionet_nni.nnictl.search.supernet_stage import SupernetStage
from trionet_nni.nnictl.search.taken import take
from trionet_nni.nnictl.search.trial_limit import TrialLimit
from trionet_nni.settings.budgets import ceilings_of
from trionet_nni.settings.plugins import use_code
from trionet_nni.settings.project import ProjectConfig, parse_project
from trionet_nni.supernet.results import Evaluation, ResultsStore, ranked

_log = logging.getLogger("trionet_nni.session")
_SOURCE = "tuner.classArgs"
_OTHER_SCORE = "another score ({}) than its evaluation has"


@dataclass(frozen=True)
class Line:
    """How a session talks to NNI's manager.

    Attributes:
        submit: starts a trial: (parameter id, parameters).
        end: has NNI end a trial, by its id.
        fail: ends the experiment with an error, which is shown.
        manager: for what goes through REST.
    """

    submit: Callable[[int, dict[str, Any]], None]
    end: Callable[[str], None]
    fail: Callable[[str], None]
    manager: Manager


class Session:
    """Search of one experiment, from the start of its advisor to the end.

    Args:
        arguments: `tuner.classArgs`.
        resume: whether NNI goes on with a stopped experiment.
        origin: folder of an experiment whose results a new one takes.

    Raises:
        InputError: the experiment cannot be run as it is written.
    """

    def __init__(
        self,
        folder: ExperimentFolder,
        arguments: dict[str, Any],
        line: Line,
        *,
        resume: bool,
        origin: str | None = None,
    ) -> None:
        self.folder, self._line = folder, line
        profile = line.manager.profile()
        code = Path(profile["params"]["tuner"]["codeDirectory"]).resolve()
        use_code(code)
        begun = resume and folder.project.exists()
        config = open_run(folder).config if begun else _read(arguments, code)
        self._task = prepare(config, folder.cache)
        self.config = config.model_copy(update={"data": self._task.data})
        self._known = _known_trials(line.manager) if resume else {}
        self._next_id = max(self._known, default=-1) + 1
        self._space = CandidateSpace(self._task.table)
        search, task = self.config.search, self._task
        self._strategy = build_strategy(search, task.table, task.cost, f"{_SOURCE}: search.strategy")
        self._results = ResultsStore(folder.evaluations, search.metric)
        self._journal = Journal(folder.strategy)
        self._finalists = self._build_finalists()
        reserved = None if self._finalists is None else self._finalists.trials(len(search.limits))
        self._limit = TrialLimit(line.manager, reserved)
        if not resume:
            check_trials(search, profile["params"].get("maxTrialNumber"))
        hosts = profile["params"].get("trainingService") if is_remote(profile["params"]) else None
        self._away = hosts is not None
        self.engine = self._build_engine(away=self._away)
        self._write_project(code)
        if origin and not resume:
            ceilings = ceilings_of(self.config.search, self._task.table, self._task.cost)
            taken = take(Path(origin), folder, self.config, ceilings)
            _log.info("%d results are those of %s", taken, origin)
        if hosts is not None:
            from trionet_nni.nnictl.hosts.provide import provide

            provide(folder, self.config, code, hosts)
        self._mirror_space(profile)
        self._saved = self._load() if resume else None
        self._thread = threading.Thread(target=self._run, name="search", daemon=True)

    def start(self) -> None:
        """Run the strategy in a thread of its own."""
        self._thread.start()
        deadline = Deadline(self._line.manager, self.config.search.time_limit, self._line.end)
        if self._finalists is not None and not self._away:
            deadline.sign = self._finalists.sign
        elif self._finalists is not None:  # their files are elsewhere; see candidate.silence
            deadline.sign = lambda parameters: time.monotonic()
        deadline.start()

    def _build_engine(self, *, away: bool) -> AdvisorEngine:
        supernet = SupernetStage(self.folder, self.config.supernet_hash())
        if away:
            supernet.found()
        engine = AdvisorEngine(
            self._space,
            supernet,
            Trials(
                self._number,
                self._line.submit,
                self._limit.one_more,
                self._known,
                self._limit.room_for,
                self._limit.candidates,
                self._keep if away else None,
            ),
            Failures(self.folder, self._line.manager if away else None),
            retries=self.config.search.retries,
            stored=self._stored,
            save=self._save,
            finalists=self._finalists,
        )
        engine.on_adopted = self._strategy.restore_running
        return engine

    def _build_finalists(self) -> FinalistStage | None:
        search, table = self.config.search, self._task.table
        if search.finalists is None:
            return None
        store, ladder = FinalistStore(self.folder.finalists), rungs(**dict(search.finalists))
        field = Field(search.finalists, table, search.metric, self._ranked)
        return FinalistStage(store, ladder, table.space, field)

    def _ranked(self) -> list[list[Evaluation]]:
        """The candidates of each budget, the best first."""
        results = self._results.all()
        return [ranked(results, self._results.metric, limit) for limit in self.config.search.limits]

    def _write_project(self, code: Path) -> None:
        self.folder.error.unlink(missing_ok=True)
        write_json(self.folder.project, self.config.model_dump(mode="json"))
        write_json(self.folder.cost, asdict(self._task.cost))
        write_text(self.folder.code, f"{code}\n")
        write_text(self.folder.python, f"{sys.executable}\n")

    def _mirror_space(self, profile: dict[str, Any]) -> None:
        space = nni_search_space(self._task.table)
        if self._finalists is not None:
            space = self._finalists.labels() | space
        if profile["params"].get("searchSpace") == space:
            return
        body = {"params": {"searchSpace": space}}
        try:
            self._line.manager.put("/experiment?update_type=SEARCH_SPACE", body)
        except OSError as error:  # the portal shows less; the search is as good
            _log.warning("the portal's hyper-parameter view has no search space: %s", error)

    def _run(self) -> None:
        try:
            self._search()
        except (SearchFailed, InputError) as error:
            self._line.fail(str(error))
        except Exception as error:
            line = failure_line(error)
            if line is None:
                _log.exception("the search strategy failed")
                line = traceback.format_exc(limit=-3)
            self._line.fail(line)

    def _search(self) -> None:
        self._strategy.initialize(self._space, self.engine)
        if self._saved is not None:
            self._strategy.load_state_dict(self._saved["strategy"])
            self.engine.load_state_dict(self._saved["engine"])
            self._limit.raised = self._saved.get("raised", 0)  # counted since there are finalists
            self._strategy.restore_running(self.engine.unfinished())
        if self._finalists is None or not self._finalists.begun:
            self._run_strategy()
        self.engine.wait_models()
        if self._finalists is not None and not self.engine.stopped:
            self._finalists.run(self.engine)
        if not self.engine.stopped:
            # Nothing is left to try.
            _log.info("search finished after %d trials", self._limit.end_here())

    def _run_strategy(self) -> None:
        try:
            self._strategy.run()
        except InputError as error:
            if not self._results.all() and not self.engine.unfinished():
                raise
            _log.warning("no further candidate: %s", error)  # the space or the budget is used up

    def _number(self) -> int:
        number, self._next_id = self._next_id, self._next_id + 1
        return number

    def _stored(self, model: CandidateSpace | FinalistModel) -> float | None:
        result: Evaluation | FinalistResult | None
        if isinstance(model, FinalistModel):
            result = FinalistStore(self.folder.finalists).get(model.training)
        else:
            result = self._results.get(model.architecture.hash)
        return None if result is None else result.score(self.config.search.metric)

    def _keep(self, model: CandidateSpace | FinalistModel, evaluation: object, score: float) -> str:
        """Store what a host reports of a candidate or a finalist; what is wrong with it, or nothing."""
        try:
            if isinstance(model, FinalistModel):
                return self._keep_finalist(FinalistResult.from_dict(model.training, evaluation), score)
            result = Evaluation.from_dict(evaluation)
            if result.architecture.hash != model.architecture.hash:
                return f"a result of {result.architecture.hash} for {model.architecture.hash}"
            if result.score(self.config.search.metric) != score:
                return _OTHER_SCORE.format(score)
            self._results.add(result)
        except ValueError as error:  # an InputError, too
            return str(error)
        return ""

    def _keep_finalist(self, result: FinalistResult, score: float) -> str:
        if result.score(self.config.search.metric) != score:
            return _OTHER_SCORE.format(score)
        FinalistStore(self.folder.finalists).add(result)
        return ""

    def _save(self) -> None:
        state = {
            "strategy": self._strategy.state_dict(),
            "engine": self.engine.state_dict(),
            "raised": self._limit.raised,
        }
        self._journal.save(state)

    def _load(self) -> dict[str, Any] | None:
        """The saved state; None where the experiment was stopped before there was one."""
        try:
            return read_journaled(self.folder.strategy)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.folder.strategy}: found {error}, allowed: the state of a search"
            ) from None


def _read(arguments: dict[str, Any], code: Path) -> ProjectConfig:
    """Settings of an experiment that begins; one that goes on has stored its own."""
    return with_absolute_paths(parse_project(arguments, _SOURCE), code)


def _known_trials(manager: Manager) -> dict[int, str]:
    """NNI's status of every trial that the experiment ever had, by parameter id."""
    known: dict[int, str] = {}
    for job in manager.jobs():
        for text in job.get("hyperParameters") or ():
            number = parameter_id(text)
            if number is not None:
                known[number] = str(job.get("status"))
    return known
