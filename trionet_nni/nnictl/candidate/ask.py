"""A trial's side of warm evaluation: find or start the device's evaluator, ask it, wait for the answer.

Standard library only: a trial that asks takes a fraction of a second, not the seconds that importing torch
costs. A question and its answer are one line of JSON each.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.files.locks import lock
from trionet_nni.nnictl.candidate.address import EvaluatorFiles, connect, take_evaluator
from trionet_nni.nnictl.candidate.alive import is_over
from trionet_nni.nnictl.candidate.awake import Awake
from trionet_nni.nnictl.candidate.time_limit import EvaluatorWatch, message

_MODULE = "trionet_nni.nnictl.evaluator"
_ATTEMPTS = 3
_STOP_SECONDS = 60.0  # NNI gives its advisor 30 to end, and cancels the trials after that
_END_SECONDS = 2.0  # until one that broke off is gone; another trial may have started the next by then
_LOOK_SECONDS = 1.0  # between looks at how long it takes
_START_SECONDS = 60.0  # until it listens; it loads afterwards


class EvaluatorFailed(RuntimeError):
    """The evaluator died each time it was asked, or it hung; the message says what."""


def is_warm(folder: ExperimentFolder) -> bool:
    """Whether this experiment's candidates are scored by evaluators that stay."""
    try:
        project = json.loads(folder.project.read_text(encoding="utf-8"))
        return bool(project["search"]["warm"])
    except (OSError, ValueError, KeyError, TypeError):
        return False  # the trial reads the settings again itself, and says what is wrong with them


def ask(folder: ExperimentFolder, question: dict[str, Any]) -> dict[str, Any]:
    """The evaluator's answer; one that dies meanwhile is started again and asked again.

    Args:
        question: {"parameters", "trial", "number"}.

    Returns:
        {"metrics", "evaluation"}, or {"error"} where the question cannot be answered.

    Raises:
        EvaluatorFailed: it died each time, or it took longer than `search.time_limit`.
        OSError: it cannot be started.
    """
    seconds = _time_limit(folder)
    files, held = take_evaluator(folder)
    try:
        for attempt in range(_ATTEMPTS):
            watch = EvaluatorWatch(files, str(question["trial"]), seconds)
            answer = _exchange(_connected(folder, files), question, watch, seconds)
            if answer is not None:
                return answer
            wait_if_stopping(folder)
            # Its socket may outlive the connection by a moment: asking a dying one is no attempt.
            with suppress(TimeoutError):
                lock(files.alive, seconds=_END_SECONDS).close()
            print(f"evaluator {files.device} died ({attempt + 1}): {files.last_log_line()}", flush=True)
        raise EvaluatorFailed(f"the evaluator died {_ATTEMPTS} times: {files.last_log_line()}")
    finally:
        if held is not None:
            held.close()


def _connected(folder: ExperimentFolder, files: EvaluatorFiles) -> socket.socket:
    connection = connect(files.socket)
    if connection is not None:
        return connection
    with lock(files.starting):  # another trial of this card may be starting it
        connection = connect(files.socket)
        return connection if connection is not None else _started(folder, files)


def _started(folder: ExperimentFolder, files: EvaluatorFiles) -> socket.socket:
    """Start an evaluator in a session of its own: it outlives the trial and what kills the trial."""
    with files.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", _MODULE, str(folder.root), files.device],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    awake = Awake(_LOOK_SECONDS)
    while awake.seconds() < _START_SECONDS:
        connection = connect(files.socket)
        if connection is not None:
            return connection
        if process.poll() is not None:
            break
        time.sleep(0.02)
    wait_if_stopping(folder)
    raise EvaluatorFailed(f"the evaluator {files.device} did not start: {files.last_log_line()}")


def _time_limit(folder: ExperimentFolder) -> float:
    try:
        return float(json.loads(folder.project.read_text(encoding="utf-8"))["search"]["time_limit"])
    except (OSError, ValueError, KeyError, TypeError):  # of an experiment from before there was one
        return float("inf")


def _exchange(
    connection: socket.socket, question: dict[str, Any], watch: EvaluatorWatch, seconds: float
) -> dict[str, Any] | None:
    """The answer, or None where the connection ended without one.

    Raises:
        EvaluatorFailed: it took too long, and was ended.
    """
    try:
        with connection:
            connection.sendall(json.dumps(question).encode() + b"\n")
            connection.settimeout(_LOOK_SECONDS)
            line = b""
            while not line.endswith(b"\n"):
                try:
                    part = connection.recv(65536)
                except TimeoutError:
                    if watch.look():
                        raise EvaluatorFailed(message(seconds)) from None
                    continue
                if not part:
                    break
                line += part
        answer = json.loads(line) if line.endswith(b"\n") else None
    except (OSError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None


def wait_if_stopping(folder: ExperimentFolder) -> None:
    """Wait to be cancelled, where the experiment is being stopped.

    NNI ends the advisor some seconds before it cancels the trials, and evaluators end with the advisor. A
    trial that failed in between could be recorded as failed, and would not be started again by a resume.
    """
    if not is_over(folder):
        return
    print("the experiment is being stopped: waiting to be cancelled", flush=True)
    give_up = time.monotonic() + _STOP_SECONDS
    while time.monotonic() < give_up:
        time.sleep(0.5)
        if not is_over(folder):
            sys.exit("the experiment has been resumed: NNI has started this trial again")


def environment_of(question: dict[str, Any]) -> dict[str, str]:
    """What NNI's environment says about the trial that asks."""
    return {"NNI_TRIAL_JOB_ID": str(question["trial"]), "NNI_TRIAL_SEQ_ID": str(question["number"])}


def question_of(trial: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """A question, as the evaluator reads it."""
    return {"trial": trial, "number": os.environ.get("NNI_TRIAL_SEQ_ID", ""), "parameters": parameters}
