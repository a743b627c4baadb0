"""Starting and stopping experiments with this environment's own nnictl."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from trionet_nni.errors import InputError
from trionet_nni.nnictl.folder import ExperimentFolder
from trionet_nni.nnictl.portal import LOOPBACK, free_port, loopback_environment
from trionet_nni.nnictl.rest import Manager

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ID = re.compile(r"Experiment ID: (\w+)")
_ATTEMPTS = 6


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
        """Its REST interface."""
        return Manager(f"http://127.0.0.1:{self.port}")

    @property
    def address(self) -> str:
        """Its portal."""
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


def create(path: Path, port: int | None, *, ports: int = 1) -> Experiment:
    """`nnictl create`, again where it gave up on a busy machine (it waits 4 seconds for its manager).

    Args:
        port: of the portal; a free one from 8080 up when None.
        ports: how many in a row the training service needs.

    Raises:
        InputError: nnictl refuses the file.
        RuntimeError: the manager did not start; the message is nnictl's.
    """
    for attempt in range(_ATTEMPTS):
        chosen = free_port(8080 if port is None else port, ports)
        if port is not None and chosen != port:
            raise InputError(f"--port: found {port}, which is in use, allowed: a free one such as {chosen}")
        status, output, interrupted = _run(["create", "--config", str(path), "--port", str(chosen)])
        found = _ID.search(output)
        if found and status == 0:
            return Experiment(found[1], chosen, interrupted)
        if interrupted:
            raise KeyboardInterrupt
        taken = "is not idle" in output  # by another experiment, since the port was looked at
        if not found and not taken:
            raise InputError(f"{path}: nnictl refuses it: {_last_line(output)}")
        if attempt < _ATTEMPTS - 1:
            print(f"nnictl gave up ({_last_line(output)}); once more", flush=True)
    raise RuntimeError(f"nnictl create failed {_ATTEMPTS} times: {_last_line(output)}")


def stop(experiment: str) -> bool:
    """`nnictl stop`; whether it said that it worked."""
    status, output, _ = _run(["stop", experiment])
    return status == 0 and "success" in output


def command(*arguments: str) -> str:
    """An nnictl command to type, which keeps the portal on this machine if it starts one."""
    own = nnictl()
    name = "nnictl" if shutil.which("nnictl") == own else _shown(own)
    line = " ".join([name, *arguments])
    if arguments[0] in ("create", "resume", "view"):
        line = f"NODE_OPTIONS=--require={shlex.quote(str(LOOPBACK))} {line}"
    return line


def _shown(path: str) -> str:
    """A path as short as it can be typed from here; Node needs one that begins with a dot or a slash."""
    here = Path.cwd()
    return f"./{Path(path).relative_to(here)}" if Path(path).is_relative_to(here) else path


def _run(arguments: list[str]) -> tuple[int, str, bool]:
    """Exit status and output of nnictl, and whether Ctrl-C came meanwhile.

    It runs in a session of its own: an interrupt in its middle would leave a manager nobody knows of.
    """
    process = subprocess.Popen(
        [nnictl(), *arguments],
        env=loopback_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    interrupted = False
    try:
        output, _ = process.communicate()
    except KeyboardInterrupt:
        interrupted = True
        output, _ = process.communicate()
    return process.returncode, _COLOUR.sub("", output), interrupted


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"
