"""Where a running experiment stands, asked from its manager and its results store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from trionet_nni.errors import shown
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.experiment.open import Run, open_run
from trionet_nni.files.text import parse_json
from trionet_nni.finalists.halving import rungs, trials
from trionet_nni.finalists.results import FinalistStore
from trionet_nni.nnictl.candidate.awake import Awake
from trionet_nni.nnictl.manager.rest import Manager, trial_limit
from trionet_nni.nnictl.terminal.finalists import FinalistProgress, FinalistWatch
from trionet_nni.nnictl.terminal.trials import Trial, TrialsWatch
from trionet_nni.supernet.results import Evaluation, ResultsStore

Stage = Literal["starting", "supernet", "candidates", "finalists"]
_LARGEST = 1e15  # of a step, an accuracy, a loss
_LONGEST_LOOK = 10.0  # seconds: between two looks, on a busy machine


@dataclass(frozen=True)
class Snapshot:
    """An experiment at one moment.

    Attributes:
        status: NNI's.
        step, steps: optimizer steps of the supernet, done and in all.
        curve: the latest accuracies that the supernet's trial reported.
        done, total: candidates with a result, and how many there will be.
        failed: trials of candidates, in the last stage of finalists, that ended without a result.
        eta: seconds left of the present stage, None where nothing is known yet.
        finalists: None before that stage.
    """

    status: str
    stage: Stage
    step: int = 0
    steps: int = 0
    curve: dict[str, float] = field(default_factory=dict)
    done: int = 0
    total: int = 0
    failed: int = 0
    running: int = 0
    best: Evaluation | None = None
    eta: float | None = None
    errors: tuple[str, ...] = ()
    finalists: FinalistProgress | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.status in ("DONE", "ERROR", "STOPPED")


class Watch:
    """Looks at one experiment.

    Args:
        steps: optimizer steps of the supernet's training.
    """

    def __init__(self, manager: Manager, folder: ExperimentFolder, steps: int) -> None:
        self._manager, self._folder, self._steps = manager, folder, steps
        self._trials = TrialsWatch(manager)
        self._run: Run | None = None
        self._store: ResultsStore | None = None
        self._supernet_pace, self._candidates_pace, self._finalists_pace = Pace(), Pace(), Pace()

    def snapshot(self) -> Snapshot:
        """Ask now.

        Raises:
            OSError: the manager does not answer.
            ValueError: it answers what NNI's does not.
        """
        status = self._manager.get("/check-status")
        if not isinstance(status, dict):  # text, while the manager starts
            return Snapshot("INITIALIZED", "starting")
        if not isinstance(status.get("status"), str):
            raise ValueError(f"/check-status: found {shown(status)}, allowed: NNI's status")
        trials = self._trials.look(at_once=status["status"] not in ("RUNNING", "NO_MORE_TRIAL"))
        supernets = [trial for trial in trials if trial.kind == "supernet"]
        finalists = [trial for trial in trials if trial.kind == "finalist"]
        candidates = [trial for trial in trials if trial.kind == "candidate"]
        training = any(trial.open for trial in supernets)
        curve = self._curve(supernets) if training else {}  # for which the manager reads every result
        progress = self._progress()
        stage: Stage = "supernet" if training else "candidates" if candidates else "starting"
        stage = stage if progress is None else "finalists"
        limit = trial_limit(self._manager.profile())
        done = [trial for trial in candidates if trial.reported]
        first = len(supernets) or (0 if candidates else 1)  # none where hosts got a trained one
        total = max(limit - first - self._reserved(), len(done))
        step = int(curve.get("step", 0))
        tried = finalists if stage == "finalists" else candidates
        return Snapshot(
            status["status"],
            stage,
            step,
            self._steps,
            {name: value for name, value in curve.items() if name != "step"},
            len(done),
            total,
            sum(trial.failed for trial in tried),
            sum(trial.status == "RUNNING" for trial in tried),
            self._best(),
            self._eta(stage, step, progress, candidates, total),
            self._errors(status),
            progress,
        )

    def _eta(
        self,
        stage: Stage,
        step: int,
        progress: FinalistProgress | None,
        candidates: list[Trial],
        total: int,
    ) -> float | None:
        if stage == "supernet":
            return self._supernet_pace.left(step, self._steps)
        if progress is not None:
            return self._finalists_pace.left(progress.step, progress.steps)
        return self._candidates_pace.left(sum(trial.reported for trial in candidates), total)

    def _opened(self) -> Run | None:
        """The experiment's settings, which its advisor writes down before there is a candidate."""
        if self._run is None and self._folder.project.exists():
            self._run = open_run(self._folder)
        return self._run

    def _reserved(self) -> int:
        """Trials that NNI's limit keeps for finalists."""
        run = self._opened()
        if run is None or run.config.search.finalists is None:
            return 0
        return trials(rungs(**dict(run.config.search.finalists)), len(run.config.search.limits))

    def _progress(self) -> FinalistProgress | None:
        run = self._opened()
        finalists = None if run is None else run.config.search.finalists
        if finalists is None:
            return None
        return FinalistWatch(FinalistStore(self._folder.finalists), finalists).look()

    def _best(self) -> Evaluation | None:
        """By the experiment's own metric."""
        run = self._opened()
        if self._store is None and run is not None:
            self._store = run.results
        best = [] if self._store is None else self._store.top(1)
        return best[0] if best else None

    def _errors(self, status: dict[str, Any]) -> tuple[str, ...]:
        """What went wrong; of an error of ours NNI only says that its tuner may have crashed."""
        if status["status"] == "ERROR" and self._folder.error.exists():
            return (self._folder.error.read_text(encoding="utf-8").strip(),)
        errors = status.get("errors")
        return tuple(map(str, errors)) if isinstance(errors, list) else ()

    def _curve(self, supernets: list[Trial]) -> dict[str, float]:
        """The latest point of the latest supernet trial that has one."""
        latest = self._manager.get("/metric-data-latest")
        found = [one for one in latest if isinstance(one, dict)] if isinstance(latest, list) else []
        metrics = {str(metric.get("trialJobId")): metric for metric in found}
        for trial in reversed(supernets):
            if trial.id in metrics:
                return _point(metrics[trial.id].get("data"))
        return {}


def _point(data: object) -> dict[str, float]:
    """A point of a curve: its finite numbers. Whoever reaches the portal can send another text.

    Args:
        data: JSON text of the JSON text that a trial sent.

    Raises:
        ValueError: it is none.
    """
    for _ in range(2):
        data = parse_json(data) if isinstance(data, str) else None
    point = data if isinstance(data, dict) else {}
    return {name: value for name, value in point.items() if _is_number(value)}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST


class Pace:
    """How fast steps are taken, from the moments at which each was first seen.

    Args:
        awake: asked each time; a search that was stopped for an hour is not slower for it.
    """

    def __init__(self, awake: Awake | None = None) -> None:
        self._awake = Awake(_LONGEST_LOOK) if awake is None else awake
        self._points: list[tuple[float, int]] = []

    def left(self, step: int, steps: int) -> float | None:
        """Seconds until the last of them; None before two were seen. A resumed training begins anywhere."""
        now = self._awake.seconds()
        if step and (not self._points or self._points[-1][1] != step):
            self._points.append((now, step))
        if len(self._points) < 2:
            return None
        (began, first), (latest, last) = self._points[0], self._points[-1]
        left = (latest - began) / max(1, last - first) * (steps - last)
        return max(0.0, left - (now - latest))
