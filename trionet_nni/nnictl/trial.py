"""The command of every trial: `python3 -m trionet_nni.nnictl.trial`.

It may be started by any Python (NNI writes `python3`, and the environment need not be activated), so until
it runs in the experiment's own interpreter it uses the standard library alone. A candidate's trial stays
that light and asks the evaluator of its device; heavy imports are for the supernet's trial, for those of
finalists, and for experiments with `search.warm: false`.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from trionet_nni.errors import InputError, RunFailed, failure_line, quiet_writers
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.nnictl.candidate.alive import is_away
from trionet_nni.nnictl.candidate.ask import EvaluatorFailed, ask, is_warm, question_of, wait_if_stopping
from trionet_nni.nnictl.candidate.job import Reporter, TrialJob, fetch_job
from trionet_nni.nnictl.candidate.shares import threads_of_trial
from trionet_nni.training.threads import sleep_while_waiting

_MODULE = "trionet_nni.nnictl.trial"


def main() -> int:
    """Run this process's trial; 0 when its result is stored and reported."""
    # NNI cancels a trial by SIGINT, which all children of a command in a shell's background ignore.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        folder = ExperimentFolder.of_trial()
    except LookupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    _use_interpreter(folder)
    sleep_while_waiting()
    quiet_writers()
    try:
        job = fetch_job(os.environ)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    _share_cores(job)
    if not job.is_supernet and not job.is_finalist and is_warm(folder):
        return _asked(folder, job)
    return _run_here(folder, job)


def _asked(folder: ExperimentFolder, job: TrialJob) -> int:
    """Have the candidate scored by the evaluator of this trial's device, and report it."""
    try:
        answer = ask(folder, question_of(job.trial, job.parameters))
    except (EvaluatorFailed, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if "metrics" not in answer:
        print(f"error: {answer.get('error')}", file=sys.stderr)
        return 1 if answer.get("fatal") or answer.get("failed") else 2
    try:
        Reporter(job).final(answer["metrics"], answer["evaluation"] if is_away() else None)
    except OSError:
        wait_if_stopping(folder)  # the manager takes nothing any more; the result is stored
        raise
    return 0


def _run_here(folder: ExperimentFolder, job: TrialJob) -> int:
    """Train the supernet or a finalist, or score the candidate, in this process."""
    from trionet_nni.settings.plugins import use_code

    use_code(Path(folder.code.read_text(encoding="utf-8").strip()))

    from trionet_nni.nnictl.candidate.finalist import run_finalist
    from trionet_nni.nnictl.candidate.stages import run_candidate, run_supernet

    run = run_supernet if job.is_supernet else run_finalist if job.is_finalist else run_candidate
    try:
        run(folder, job.parameters, Reporter(job))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (OSError, RunFailed) as error:
        line = failure_line(error)
        if line is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        return 1
    return 0


def _use_interpreter(folder: ExperimentFolder) -> None:
    """Go on in the interpreter that the experiment was started with."""
    python = folder.python.read_text(encoding="utf-8").strip()
    if Path(python) != Path(sys.executable) and os.environ.get("TRIONET_INTERPRETER") != python:
        # The mark ends the matter where an interpreter calls itself by another name.
        os.environ["TRIONET_INTERPRETER"] = python
        os.execv(python, [python, "-m", _MODULE])


def _share_cores(job: TrialJob) -> None:
    """Candidates run side by side: each gets its share of the cores, not all of them.

    The supernet's trial runs alone and keeps what torch takes by itself.
    """
    if job.is_supernet or "OMP_NUM_THREADS" in os.environ:
        return
    from trionet_nni.nnictl.manager.rest import Manager

    try:
        params = Manager.of_trial(job.channel).profile()["params"]
        hosts = len(params["trainingService"].get("machineList") or [()]) if is_away() else 1
        concurrency = int(params["trialConcurrency"])
    except (OSError, ValueError, KeyError):
        return
    os.environ["OMP_NUM_THREADS"] = str(threads_of_trial(concurrency, hosts))


if __name__ == "__main__":
    sys.exit(main())
