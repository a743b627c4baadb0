"""Where a candidate's time goes, from NNI's database and the stamps of advisor and evaluators."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

from trionet_nni.nnictl.candidate.job import is_supernet


@dataclass(frozen=True)
class Times:
    """Of one candidate's trial, seconds since the epoch.

    Attributes:
        submitted: the advisor has asked for it.
        created: the manager starts its process.
        begin, end: of its evaluation.
        over: its process has ended.
        heard: the advisor knows that.
    """

    submitted: float
    created: float
    begin: float
    end: float
    over: float
    heard: float


@dataclass(frozen=True)
class Stages:
    """Means over the candidates of a run after the first ones, seconds each.

    Attributes:
        notice: from the end of a process until the advisor hears of it: NNI's manager looks every 0.5 s.
        advise: until the advisor has asked for the next trial: result, state, proposal.
        start: until the manager starts that trial's process: it looks again after 0.5 s.
        process: until the evaluator begins: Python, parameters from the manager, waiting for an evaluator.
        evaluation: as long as was asked for.
        report: until the process has ended: result to the manager, look whether it has it, exit.
        rate: candidates a second.
    """

    notice: float
    advise: float
    start: float
    process: float
    evaluation: float
    report: float
    rate: float

    @property
    def overhead(self) -> float:
        """Of a candidate, on its worker: all but the evaluation."""
        return self.notice + self.advise + self.start + self.process + self.report

    def to_dict(self) -> dict[str, float]:
        """Fields by name."""
        return {**asdict(self), "overhead": self.overhead}


def stages_of(root: Path, stamps: Path, concurrency: int) -> Stages:
    """Of a run that is over.

    Args:
        root: of the experiment.
    """
    trials = times_of(root, stamps)
    first = 2 * concurrency + 2  # evaluators load while these wait
    later = trials[first:]
    heard = sorted(trial.heard for trial in trials)
    over = sorted(trial.over for trial in trials)
    # A worker that is free asks for one candidate: that of the k-th end is the (k + concurrency)-th.
    asked = [trial.submitted - heard[k] for k, trial in enumerate(trials[concurrency:])]
    return Stages(
        fmean(trial.heard - trial.over for trial in later),
        fmean(asked[first - concurrency :]),
        fmean(trial.created - trial.submitted for trial in later),
        fmean(trial.begin - trial.created for trial in later),
        fmean(trial.end - trial.begin for trial in later),
        fmean(trial.over - trial.end for trial in later),
        (len(over) - first) / (over[-1] - over[first - 1]),
    )


def times_of(root: Path, stamps: Path) -> list[Times]:
    """Of every candidate's trial, in the order of their start."""
    noted = [line.split() for line in stamps.read_text().splitlines()]
    submitted = [float(at) for at, word, _ in noted if word == "submitted"]
    by_trial = {
        word: {trial: float(at) for at, what, trial in noted if what == word}
        for word in ("heard", "begin", "end")
    }
    trials = list(_trials(root))  # fewer than were submitted: the last ones NNI does not start any more
    return [
        Times(
            asked,
            created,
            by_trial["begin"][trial],
            by_trial["end"][trial],
            over,
            by_trial["heard"].get(trial, over),
        )
        for asked, (trial, created, over) in zip(sorted(submitted), trials, strict=False)
    ]


def _trials(root: Path) -> Iterator[tuple[str, float, float]]:
    """(trial, when its process was started, when it had ended), of candidates; by NNI's clock, seconds."""
    query = (
        "select trialJobId, min(data), min(case when event = 'RUNNING' then timestamp end),"
        " max(case when event in ('SUCCEEDED', 'FAILED') then timestamp end)"
        " from TrialJobEvent where trialJobId != '' group by trialJobId order by min(sequenceId)"
    )
    with closing(sqlite3.connect(f"file:{root}/db/nni.sqlite?mode=ro", uri=True)) as base:
        rows: Sequence[tuple[str, str, float, float]] = base.execute(query).fetchall()
    for trial, data, created, over in rows:
        if not is_supernet(data) and json.loads(data):
            yield trial, created / 1000, over / 1000
