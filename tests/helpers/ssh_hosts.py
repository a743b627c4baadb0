"""Hosts that can be reached by ssh, on this machine: an sshd each, in namespaces of its own.

A host has its own processes, its own /home, /tmp and /run. What belongs to the machine that the search is
started on is hidden from it: the test's folder, and this project's code. It shares with that machine the
kernel, the cores, the network, and the environment with Python, torch and NNI, read in place.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.helpers.checkout import ROOT
from tests.helpers.patience import until

_OURS = ("trionet_nni", "spaces", "strategies", "tests", "benchmarks")  # packages of this project
# What a host does before its sshd starts, as root of namespaces that only it has.
_BEGIN = """
set -e
mount --make-rprivate /
mount --bind "$HOST_FOLDER" /home
mount -t tmpfs none "$MANAGER_FOLDER"
for folder in $HIDDEN; do mount -t tmpfs none "$folder"; done
mount -t tmpfs none /run
mkdir /run/sshd
exec "$SSHD" -D -e -f /home/sshd_config
"""
_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey /home/host_key
AuthorizedKeysFile /home/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
PidFile none
LogLevel ERROR
SetEnv HOME=/home TMPDIR=/home OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive {variables}
{settings}
Subsystem sftp internal-sftp
"""


def needs_hosts() -> None:
    """Skip a test, and say why, where such hosts cannot be made."""
    for program in ("sshd", "ssh", "ssh-keygen", "unshare"):
        if _program(program) is None:
            pytest.skip(f"NOT TRIED, searching over ssh hosts: there is no {program} (apt: openssh-server)")
    own = "mount --make-rprivate / && mount --bind / /home && mount -t tmpfs none /run"
    tried = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", own]
    if subprocess.run(tried, capture_output=True).returncode:
        pytest.skip("NOT TRIED, searching over ssh hosts: this user may make no namespaces")


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/bin:/sbin:/bin")


def make_key(path: Path) -> Path:
    """A key pair without a passphrase; the private one."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


class SshHost:
    """One host.

    Args:
        folder: the host's own; it sees it as /home.
        hidden: from it; the folder of the machine that searches.
        key: whose owner may log in.
        settings: further lines of its sshd's settings.
        variables: of the environment of whoever logs in.

    """

    def __init__(
        self, folder: Path, hidden: Path, key: Path, settings: str = "", variables: str = ""
    ) -> None:
        self.folder, self.hidden, self.key = folder, hidden, key
        folder.mkdir(parents=True)
        make_key(folder / "host_key")
        shutil.copyfile(key.with_suffix(".pub"), folder / "authorized_keys")
        self.port = _free_port()
        (folder / "sshd_config").write_text(
            _CONFIG.format(port=self.port, settings=settings, variables=variables)
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Until somebody can log in."""
        environment = {
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
            "HOST_FOLDER": str(self.folder),
            "MANAGER_FOLDER": str(self.hidden),
            "HIDDEN": " ".join(map(str, _code_folders())),
            "SSHD": str(_program("sshd")),
        }
        own = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        with (self.folder / "sshd.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*own, "sh", "-c", _BEGIN], env=environment, stdout=log, stderr=log, start_new_session=True
            )
        until(self._answers, lambda: (self.folder / "sshd.log").read_text())

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def known_hosts_line(self) -> str:
        """Whose key it shows, for ssh's `known_hosts`."""
        return f"[127.0.0.1]:{self.port} {(self.folder / 'host_key.pub').read_text()}"

    def machine(self, **settings: Any) -> dict[str, Any]:
        """Its entry in `machineList`."""
        python = str(Path(sys.executable).parent)
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": psutil.Process().username(),
            "sshKeyFile": str(self.key),
            "pythonPath": python,
            **settings,
        }

    def processes(self) -> list[psutil.Process]:
        """All that runs on it, and what keeps it."""
        if self._process is None:
            return []
        try:
            keeper = psutil.Process(self._process.pid)
            return [
                keeper,
                *keeper.children(recursive=True),
            ]  # the namespace's first process adopts orphans
        except psutil.NoSuchProcess:
            return []

    def at_work(self) -> list[psutil.Process]:
        """What runs on it beside its sshd."""
        return [one for one in self.processes() if _name(one) not in ("unshare", "sshd", "")]

    def freeze(self) -> None:
        """Nothing on it runs any more, and no connection is closed: as if it had lost its network."""
        for process in self.processes():
            with suppress(psutil.Error):
                process.send_signal(signal.SIGSTOP)

    def take_away(self) -> None:
        """End it with all its processes at once, as a machine that is switched off."""
        if self._process is not None:
            self._process.kill()  # and with it the first process of the namespace, and so all of them
            self._process.wait()
            self._process = None

    def holds(self, pattern: str) -> list[Path]:
        """Files that lie on it."""
        return sorted(path for path in self.folder.glob(pattern) if path.is_file())


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.Error:
        return ""


def _code_folders() -> list[Path]:
    """Where this project's packages lie, in this checkout and in the one that the environment knows."""
    roots = {ROOT, Path(sys.prefix).resolve().parent}
    return [root / name for root in sorted(roots) for name in _OURS if (root / name).is_dir()]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ssh(host: SshHost, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command on it."""
    options = ["-F", "none", "-i", str(host.key), "-p", str(host.port), "-o", "StrictHostKeyChecking=no"]
    options += ["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    return subprocess.run(
        ["ssh", *options, "127.0.0.1", *command], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
