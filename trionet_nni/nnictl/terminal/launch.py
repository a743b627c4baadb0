"""Starting and stopping experiments with this environment's own nnictl."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trionet_nni.errors import InputError
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.files.invocation import typed
from trionet_nni.files.locks import lock
from trionet_nni.files.text import last_line
from trionet_nni.nnictl.manager.portal import LOOPBACK, PATIENCE, free_port, loopback_environment
from trionet_nni.nnictl.manager.rest import Manager
from trionet_nni.nnictl.terminal.interpreter import own_python_first

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ID = re.compile(r"Experiment ID: (\w+)")
_ATTEMPTS = 6
_SILENT = "it said nothing"
_READINGS = 20
_inherited: list[int] = []  # files that nnictl keeps open, see `starting`


@dataclass(frozen=True)
class Experiment:
    """A running experiment.

    Attributes:
        interrupted: Ctrl-C came while it was being started.
    """

    id: str
    port: int
    interrupted: bool = False

    @property
    def manager(self) -> Manager:
        """The manager's REST interface, on this machine."""
        return Manager(f"http://127.0.0.1:{self.port}")

    @property
    def address(self) -> str:
        """The portal's address, for a browser on this machine."""
        return f"http://127.0.0.1:{self.port}"

    def folder(self) -> ExperimentFolder:
        """Its folder, as the manager knows it.

        Raises:
            OSError: the manager does not answer.
        """
        return ExperimentFolder(Path(self.manager.profile()["logDir"]))


def nnictl() -> str:
    """The nnictl beside this interpreter.

    Raises:
        InputError: NNI is not installed here.
    """
    beside = Path(sys.executable).with_name("nnictl")
    found = str(beside) if beside.exists() else shutil.which("nnictl")
    if found is None:
        raise InputError(f"nnictl: found none beside {sys.executable}, allowed: trionet-nni[search]")
    return found


def create(
    path: Path, port: int | None, *, ports: int = 1, environment: Mapping[str, str] | None = None
) -> Experiment:
    """`nnictl create`, again where it gave up on a busy machine.

    Args:
        port: of the portal; a free one from 8080 up when None.
        ports: how many in a row the training service needs.
        environment: variables for the manager and its advisor.

    Raises:
        InputError: nnictl refuses the file.
        RuntimeError: the manager did not start; the message is nnictl's.
    """
    return _started(["create", "--config", str(path)], port, ports, environment or {}, str(path))


def resume(folder: ExperimentFolder, port: int | None, *, ports: int = 1) -> Experiment:
    """`nnictl resume`, again where it gave up.

    Raises:
        InputError: nnictl refuses it.
        RuntimeError: the manager did not start; the message is nnictl's.
    """
    name = folder.root.name
    # With the folder named, nnictl does not ask its list whether a manager that was killed still runs.
    arguments = ["resume", name, "--experiment_dir", str(folder.working_directory)]
    return _started(arguments, port, ports, {}, f"experiment {name}")


def _started(
    arguments: list[str], port: int | None, ports: int, environment: Mapping[str, str], what: str
) -> Experiment:
    for attempt in range(_ATTEMPTS):
        chosen = free_port(8080 if port is None else port, ports)
        if port is not None and chosen != port:
            raise InputError(f"--port: found {port}, which is in use, allowed: a free one such as {chosen}")
        status, output, interrupted = _run([*arguments, "--port", str(chosen)], environment)
        found = _ID.search(output)
        if found and status == 0:
            return Experiment(found[1], chosen, interrupted)
        if interrupted:
            raise KeyboardInterrupt
        taken = "is not idle" in output  # by another experiment, since the port was looked at
        if not found and not taken:
            raise InputError(f"{what}: nnictl refuses it: {last_line(output, _SILENT)}")
        if attempt < _ATTEMPTS - 1:
            print(f"nnictl gave up ({last_line(output, _SILENT)}); once more", flush=True)
    raise RuntimeError(f"nnictl {arguments[0]} failed {_ATTEMPTS} times: {last_line(output, _SILENT)}")


@contextmanager
def starting(working_directory: Path) -> Iterator[None]:
    """Only one `trionet search` of a working directory starts an experiment, or looks for one, at a time.

    nnictl inherits the lock: it is free when nothing is being started any more, also where the command
    that started nnictl was killed.
    """
    with lock(working_directory / ".starting.lock") as held:
        _inherited.append(held.fileno())
        try:
            yield
        finally:
            _inherited.remove(held.fileno())


def listed() -> dict[str, dict[str, Any]]:
    """NNI's list of the experiments of this user, by id; empty where there is none."""
    path = Path.home() / "nni-experiments" / ".experiment"
    for _ in range(_READINGS):
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            break
        except ValueError:  # NNI is writing it
            time.sleep(0.1)
    return {}


def stop(experiment: str) -> bool:
    """`nnictl stop`; whether it said that it worked."""
    status, output, _ = _run(["stop", experiment], {})
    return status == 0 and "success" in output


def command(*arguments: str) -> str:
    """An nnictl command to type, which keeps the portal on this machine if it starts one."""
    line = " ".join([typed(Path(nnictl())), *arguments])
    if arguments[0] in ("create", "resume", "view"):
        line = f"NODE_OPTIONS=--require={shlex.quote(str(LOOPBACK))} {line}"
    return line


def _run(arguments: list[str], environment: Mapping[str, str]) -> tuple[int, str, bool]:
    """Exit status and output of nnictl, and whether Ctrl-C came meanwhile.

    It runs in a session of its own: an interrupt in its middle would leave a manager nobody knows of.
    """
    process = subprocess.Popen(
        [*_patient_nnictl(), *arguments],
        env={**loopback_environment(PATIENCE), "PATH": own_python_first(), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        pass_fds=_inherited,
    )
    interrupted = False
    try:
        output, _ = process.communicate()
    except KeyboardInterrupt:
        interrupted = True
        output, _ = process.communicate()
    return process.returncode, _COLOUR.sub("", output), interrupted


def _patient_nnictl() -> list[str]:
    """The same nnictl with more patience, where NNI is this interpreter's own."""
    own = nnictl()
    if Path(own) != Path(sys.executable).with_name("nnictl"):
        return [own]
    return [sys.executable, "-m", "trionet_nni.nnictl.terminal.patient"]
