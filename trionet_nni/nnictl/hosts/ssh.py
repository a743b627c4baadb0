"""Python on another machine, through the system's own `ssh`. Standard library only.

The user's settings of ssh hold, known_hosts among them: NNI's own client does not look whose key a host
shows. `TRIONET_SSH` names another command than `ssh`, or options.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence

from trionet_nni.errors import InputError
from trionet_nni.files.text import last_line
from trionet_nni.nnictl.hosts.machines import Machine

COMMAND = "TRIONET_SSH"
NO_PYTHON = 86  # exit status where there is no Python
_REFUSED = 255  # ssh's own
_CONNECT_SECONDS = 30
# A host that falls silent is given up after a minute.
_OPTIONS = (
    "-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_SECONDS}", "-o", "IdentitiesOnly=yes",
    "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4", "-o", "ForwardX11=no",
)  # fmt: skip
# NNI looks for Python in this way, and its trials' `python3` is found in it.
_FIND = (
    'for python in python python3; do "$python" -c "" 2>/dev/null && exec "$python" -c "$0" "$@"; done; '
    f"exit {NO_PYTHON}"
)


def python_on(machine: Machine, source: str, *arguments: str, options: Sequence[str] = ()) -> list[str]:
    """The command that runs a Python program there; its standard input and output are this side's.

    Args:
        source: the program.
        options: more of ssh's.
    """
    path = f"PATH={shlex.quote(machine.python_path)}:$PATH " if machine.python_path is not None else ""
    there = path + shlex.join(["sh", "-c", _FIND, source, *arguments])
    login = ["-i", str(machine.key), "-p", str(machine.port), "-l", machine.user]
    return [*shlex.split(os.environ.get(COMMAND, "ssh")), *_OPTIONS, *options, *login, machine.host, there]


def checked(machine: Machine, status: int, said: str) -> None:
    """Say in one line why a command could not be run there.

    Args:
        status: the exit status.
        said: what it wrote to standard error.

    Raises:
        InputError: it could not.
    """
    if status == 0:
        return
    line = last_line(said, f"it said nothing, exit status {status}")
    if status == NO_PYTHON:
        found = machine.python_path or "none on the user's PATH"
        allowed = "the folder of a Python with NNI and torch"
        raise InputError(f"{machine.field}.pythonPath: found {found} (no Python there), allowed: {allowed}")
    if status == _REFUSED and "Permission denied" in said:
        raise InputError(
            f"{machine.field}.sshKeyFile: found {machine.key} ({line}), allowed: a key that "
            f"{machine.user} may log in with"
        )
    if status == _REFUSED:
        found = f"{machine.host}, port {machine.port} ({line})"
        raise InputError(f"{machine.field}.host: found {found}, allowed: a machine that ssh can reach")
    raise InputError(f"{machine.field}: found an error there ({line}), allowed: none")


def run_python(machine: Machine, source: str, *arguments: str, options: Sequence[str] = ()) -> str:
    """What a Python program prints there.

    Raises:
        InputError: it cannot be run, or fails; one line that names the machine's field.
    """
    done = _run(python_on(machine, source, *arguments, options=options))
    checked(machine, done.returncode, done.stderr)
    return done.stdout


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except FileNotFoundError:
        raise InputError(
            f"{command[0]}: found none, allowed: OpenSSH's client, for platform remote"
        ) from None
