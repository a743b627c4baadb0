"""The process that scores candidates: `python -m trionet_nni.nnictl.evaluator EXPERIMENT_FOLDER DEVICE`.

One a device holds the supernet's weights and the images, and answers the trials' questions one after the
other (see `trionet_nni.nnictl.candidate.ask`). The first trial that needs it starts it. It ends with the
experiment's advisor, however that ends, or when it has had nothing to do for some minutes.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from trionet_nni.errors import InputError, failure_line
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.files.locks import lock
from trionet_nni.files.text import parse_json
from trionet_nni.nnictl.candidate.address import EvaluatorFiles, address, evaluator_files, of_owner
from trionet_nni.nnictl.candidate.alive import wait_until_over
from trionet_nni.nnictl.candidate.ask import environment_of
from trionet_nni.nnictl.candidate.scoring import Scoring, metrics
from trionet_nni.nnictl.candidate.time_limit import begin, end
from trionet_nni.settings.plugins import use_code
from trionet_nni.training.process import prepare_process

_IDLE_SECONDS = 600.0
_GRACE_SECONDS = 3.0  # for the present candidate when the experiment has ended
_READ_SECONDS = 10.0  # for a question that was begun
_MAX_QUESTION = 1_000_000  # bytes


class Server:
    """Answers one question after the other.

    Args:
        idle: seconds without a question after which it ends.
    """

    def __init__(self, folder: ExperimentFolder, at: EvaluatorFiles, idle: float) -> None:
        self._folder, self._at = folder, at
        self._busy = threading.Lock()  # held while a candidate is scored and stored
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.settimeout(idle)

    def listen(self) -> None:
        """From now on trials can connect; what a predecessor left behind is removed."""
        self._at.socket.unlink(missing_ok=True)
        with address(self._at.socket) as name:
            self._listener.bind(name)
        self._listener.listen(128)

    def leave_with_advisor(self) -> None:
        """End this process when the experiment has no advisor (any more)."""
        with suppress(OSError):
            wait_until_over(self._folder)
        print("the experiment's advisor is gone: so is this evaluator", flush=True)
        self._listener.close()
        self._busy.acquire(timeout=_GRACE_SECONDS)  # a result that is nearly there is stored
        os._exit(0)

    def run(self, scoring: Scoring) -> None:
        """Answer until nobody asks any more; what cannot be prepared is told to everyone who asks."""
        try:
            scoring.prepare()
        except (InputError, OSError) as error:
            print(f"error: {failure_line(error) or error}", flush=True)
        end(self._at)
        while True:
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                return
            with connection:
                if of_owner(connection):
                    self._answer(connection, scoring)
                else:
                    print("another user asked, and got no answer", flush=True)

    def _answer(self, connection: socket.socket, scoring: Scoring) -> None:
        try:
            question = _read(connection)
        except (OSError, ValueError) as error:  # a trial that was killed, or no trial at all
            print(f"no question: {error}", flush=True)
            return
        begin(self._at, str(question.get("trial")))
        with self._busy:
            answer = _scored(scoring, question)
        end(self._at)
        with suppress(OSError):  # a trial that was killed: the next one finds the result stored
            connection.sendall(json.dumps(answer).encode() + b"\n")
        if answer.get("fatal"):
            sys.exit(1)  # after an unforeseen error a fresh process is safer than this one


def _read(connection: socket.socket) -> dict[str, Any]:
    connection.settimeout(_READ_SECONDS)
    with connection.makefile("rb") as lines:
        question = parse_json(lines.readline(_MAX_QUESTION))
    if not isinstance(question, dict) or not isinstance(question.get("parameters"), dict):
        raise ValueError("found no object with parameters")
    return question


def _scored(scoring: Scoring, question: dict[str, Any]) -> dict[str, Any]:
    """The answer; plug-ins see the environment of the trial that they work for."""
    os.environ.update(environment_of(question))
    started = time.perf_counter()
    try:
        result = scoring.score(question["parameters"])
    except InputError as error:
        return {"error": str(error)}
    except Exception as error:
        line = failure_line(error)
        if line is not None:  # nothing is wrong with this process: the next question may find room
            print(f"error: {line}", flush=True)
            return {"error": line, "failed": True}
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}", "fatal": True}
    took = time.perf_counter() - started
    print(f"{result.architecture.hash}: {result.accuracy:.4f} in {took:.3f} s", flush=True)
    found = metrics(result, scoring.config.search.metric)
    return {"metrics": found, "evaluation": result.to_dict(), "took": took}


def serve(root: Path, device: str, idle: float = _IDLE_SECONDS) -> int:
    """Run an evaluator to its end; 0 as well where another one of this device lives."""
    folder = ExperimentFolder(root)
    at = evaluator_files(folder, device)
    try:
        alive = lock(at.alive, seconds=2 * _GRACE_SECONDS)  # a predecessor may be about to end
    except TimeoutError as error:
        print(error, flush=True)
        return 0
    begin(at)
    server = Server(folder, at, idle)
    threading.Thread(target=server.leave_with_advisor, daemon=True).start()
    server.listen()
    use_code(Path(folder.code.read_text(encoding="utf-8").strip()))
    prepare_process()
    try:
        server.run(Scoring(folder))
    except InputError as error:
        print(f"error: {error}", flush=True)
        return 2
    finally:
        at.socket.unlink(missing_ok=True)
        alive.close()
    return 0


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1]), sys.argv[2], *map(float, sys.argv[3:4])))
