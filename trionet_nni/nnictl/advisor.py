"""What `tuner.className` names: NNI starts it beside its manager, and it hosts the search strategy.

The manager waits 10 seconds for the tuner to connect, so this module imports nothing heavy: torch and
NNI's strategies come with the first command.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from nni.runtime.msg_dispatcher_base import MsgDispatcherBase
from nni.runtime.tuner_command_channel import CommandType

from trionet_nni.errors import failure_line, shown
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.files.locks import lock
from trionet_nni.files.text import parse_json
from trionet_nni.nnictl.candidate.job import metric_number, parameter_id
from trionet_nni.nnictl.manager.portal import listens_everywhere
from trionet_nni.nnictl.manager.rest import Manager
from trionet_nni.nnictl.terminal.launch import command

if TYPE_CHECKING:
    from trionet_nni.nnictl.search.session import Session

_log = logging.getLogger("trionet_nni.advisor")


class TrioNetAdvisor(MsgDispatcherBase):  # type: ignore[misc]
    """NNI's side of a search.

    NNI's base class reads two queues without an order between them, and decodes messages with a
    serializer that can run code. Here is one queue, of plain JSON.

    Args:
        arguments: `tuner.classArgs`, the fields of `trionet_nni.settings.project.ProjectConfig`.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__()  # connects
        self._arguments = arguments
        self._folder = ExperimentFolder.of_dispatcher()
        self._manager = Manager.of_tuner(os.environ["NNI_TUNER_COMMAND_CHANNEL"])
        self._session: Session | None = None
        self._commands: queue.SimpleQueue[tuple[CommandType, str]] = queue.SimpleQueue()
        self._keep_private()
        self._start_log()
        self._warn_if_exposed()
        self._leave_mark()
        self._alive = lock(self._folder.advisor)  # evaluators end when it is free

    def run(self) -> None:
        """Receive commands until NNI stops the experiment."""
        threading.Thread(target=self._work, name="commands", daemon=True).start()
        threading.Thread(target=_leave_with_manager, args=(_manager(),), daemon=True).start()
        while True:
            command, content = self._channel._receive()
            if command is None or command is CommandType.Terminate:
                break
            self._commands.put((command, content))
        self.stopping = True
        if self._session is not None:
            self._session.engine.shutdown()
        self._channel.disconnect()

    def _work(self) -> None:
        while not self.stopping:
            command, content = self._commands.get()
            try:
                data = parse_json(content) if content else None
            except ValueError as error:  # metrics are passed on as whoever reached the portal sent them
                _log.warning("command %s: found no readable JSON (%s)", command, error)
                continue
            try:
                self.process_command(command, data)
            except Exception as error:
                line = failure_line(error)
                if line is None:
                    _log.exception("command %s", command)
                    line = traceback.format_exc(limit=-3)
                self.fail(line)

    def handle_initialize(self, data: object) -> None:
        """Prepare the search; NNI asks for trials only after it has been told that this is done."""
        from trionet_nni.errors import InputError

        try:
            from trionet_nni.nnictl.search.session import Line, Session
            from trionet_nni.nnictl.search.taken import FROM

            line = Line(self.submit, self.end, self.fail, self._manager)
            resume = os.environ.get("NNI_MODE") == "resume"
            origin = os.environ.get(FROM)
            session = Session(self._folder, self._arguments, line, resume=resume, origin=origin)
        except InputError as error:
            self.fail(str(error))
            return
        session.start()
        self._session = session
        self.send(CommandType.Initialized, "")

    def handle_request_trial_jobs(self, data: int) -> None:
        """NNI has so many idle workers; each takes one trial."""
        self._post("request", int(data))

    def handle_report_metric_data(self, data: object) -> None:
        """A trial's metric. Intermediate ones are NNI's to show."""
        if not isinstance(data, dict):
            _log.warning("metric: found %s, allowed: an object", shown(data))
            return
        number = data.get("parameter_id")
        if data.get("type") == "FINAL" and type(number) is int:
            value = data.get("value")
            said = value[:80] if isinstance(value, str) else shown(value)
            self._post("metric", number, metric_number(value), said, data.get("evaluation"))

    def handle_trial_end(self, data: dict[str, Any]) -> None:
        """A trial has ended, however it did; one that a user added has no parameter id."""
        number = parameter_id(data["hyper_params"])
        if number is not None:
            self._post("trial_ended", number, data["trial_job_id"], data["event"])
        else:
            self._post("users_trial_ended", data["trial_job_id"], data["event"])

    def handle_add_customized_trial(self, data: list[dict[str, Any]]) -> None:
        """After a resume: the trials that NNI started again, with their old parameter ids."""
        trials = {trial["parameter_id"]: trial["parameters"] for trial in data if _has_id(trial)}
        self._post("adopt", trials, len(data) - len(trials))

    def handle_import_data(self, data: object) -> None:
        """Results of before a resume: they are in the saved state and in the results store."""

    def handle_update_search_space(self, data: object) -> None:
        """The mirror of the space that this advisor itself sends for the portal."""

    def submit(self, parameter_id: int, parameters: dict[str, Any]) -> None:
        """Have NNI start a trial."""
        record = {
            "parameter_id": parameter_id,
            "parameter_source": "algorithm",
            "parameters": parameters,
        }
        self.send(CommandType.NewTrialJob, json.dumps(record))

    def end(self, trial: str) -> None:
        """Have NNI end a trial."""
        self.send(CommandType.KillTrialJob, json.dumps(trial))

    def fail(self, message: str) -> None:
        """End the experiment with an error: in NNI's log, in the experiment's folder and in the portal."""
        from trionet_nni.files.atomic import write_text

        _log.error("%s", message)
        try:
            write_text(self._folder.error, message.strip() + "\n")
        except OSError as error:  # a full disk must not keep the message from NNI
            _log.error("%s: %s", self._folder.error, error)
        self.report_error(message)

    def _post(self, name: str, *arguments: Any) -> None:
        if self._session is not None:
            engine = self._session.engine
            engine.post(lambda: getattr(engine, name)(*arguments))

    def _warn_if_exposed(self) -> None:
        """The first thing in the log and in the terminal, after an `nnictl create` without the preload."""
        port = urlsplit(self._manager.address).port
        if port is None or not listens_everywhere(port):
            return
        name = self._folder.root.name
        safe = f"{command('stop', name)} && {command('resume', name)}"
        warning = (
            f"the portal on port {port} accepts anyone who can reach this machine, without a password. "
            f"To keep it on 127.0.0.1: {safe}; `trionet search` does so from the start"
        )
        _log.warning("%s", warning)
        with suppress(OSError), Path("/dev/tty").open("w", encoding="utf-8") as terminal:
            terminal.write(f"\r\nWARNING: {warning}\r\n")

    def _leave_mark(self) -> None:
        """Which `trionet search` began this experiment; a resume by hand does not say it."""
        from trionet_nni.files.atomic import write_text

        if mark := os.environ.get("TRIONET_SEARCH"):
            write_text(self._folder.search, f"{mark}\n")

    def _keep_private(self) -> None:
        """Other users of the machine have no business in a run."""
        with suppress(OSError):  # a file system that knows no such rights
            self._folder.root.chmod(0o700)

    def _start_log(self) -> None:
        """Messages go to NNI's dispatcher.log, which the portal shows, and to the experiment's own log."""
        self._folder.home.mkdir(parents=True, exist_ok=True)
        own = logging.FileHandler(self._folder.log, encoding="utf-8")
        own.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger = logging.getLogger("trionet_nni")
        logger.setLevel(logging.INFO)
        for handler in (own, *logging.getLogger("nni").handlers):
            logger.addHandler(handler)


def _has_id(trial: dict[str, Any]) -> bool:
    return type(trial.get("parameter_id")) is int


def _manager() -> int:
    """Process id of NNI's manager, which starts this process through a shell."""
    parent = os.getppid()
    try:
        shell = b"main.js" not in Path(f"/proc/{parent}/cmdline").read_bytes()
        return _parent(parent) if shell else parent
    except OSError:
        return parent


def _parent(process: int) -> int:
    status = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
    return int(status.rpartition(")")[2].split()[1])


def _leave_with_manager(manager: int) -> None:
    """End this process when NNI's manager is gone: a later one on the same port must not meet it."""
    while manager == os.getppid() or _is_grandparent(manager):
        time.sleep(0.5)
    os._exit(1)


def _is_grandparent(process: int) -> bool:
    try:
        return _parent(os.getppid()) == process
    except OSError:
        return False
