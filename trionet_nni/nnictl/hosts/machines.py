"""The machines of an experiment file's `trainingService: {platform: remote}`. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trionet_nni.errors import InputError, shown

FIELD = "trainingService.machineList"


@dataclass(frozen=True)
class Machine:
    """One entry of `machineList`.

    Attributes:
        number: its place in the list, from 0.
        key: file of the private key that logs in.
        python_path: folder of its Python; None for the one on the user's PATH.
    """

    number: int
    host: str
    port: int
    user: str
    key: Path
    python_path: str | None

    @property
    def field(self) -> str:
        """What a message calls it."""
        return f"{FIELD}[{self.number}]"


def is_remote(settings: Mapping[str, Any]) -> bool:
    """Whether an experiment's trials run on machines that are reached by ssh.

    Args:
        settings: an experiment file, or NNI's own reading of one.
    """
    service = settings.get("trainingService")
    return isinstance(service, dict) and service.get("platform") == "remote"


def machines_of(service: Mapping[str, Any], folder: Path) -> tuple[Machine, ...]:
    """The machines of a training service, as NNI reads their names (`ssh_key_file` for `sshKeyFile`).

    Args:
        folder: that relative names of keys start at.

    Raises:
        InputError: there are none, or one cannot be reached as it is described.
    """
    fields = _plain(service)
    if fields.get("reusemode"):
        raise InputError("trainingService.reuseMode: found true, allowed: false with platform remote")
    listed = fields.get("machinelist")
    if not isinstance(listed, list) or not listed:
        raise InputError(f"{FIELD}: found {shown(listed)}, allowed: a list of machines")
    machines = tuple(_machine(number, entry, folder) for number, entry in enumerate(listed))
    seen: dict[tuple[str, int, str], Machine] = {}
    for one in machines:
        first = seen.setdefault((one.host, one.port, one.user), one)
        if first is not one:
            raise InputError(f"{one.field}: found the machine of {first.field} again, allowed: each once")
    return machines


def _machine(number: int, entry: object, folder: Path) -> Machine:
    field = f"{FIELD}[{number}]"
    if not isinstance(entry, dict):
        raise InputError(f"{field}: found {shown(entry)}, allowed: host, user and sshKeyFile")
    fields = _plain(entry)
    for name, plain in (("password", "password"), ("sshPassphrase", "sshpassphrase")):
        if fields.get(plain) is not None:  # NNI's portal would show it to everybody who may look at it
            raise InputError(f"{field}.{name}: found one, allowed: sshKeyFile with a key that needs none")
    host, user, port = fields.get("host"), fields.get("user"), fields.get("port", 22)
    for name, value in (("host", host), ("user", user)):
        if not isinstance(value, str) or not value or value.startswith("-"):
            raise InputError(f"{field}.{name}: found {shown(value)}, allowed: a name")
    if type(port) is not int or not 0 < port < 65536:
        raise InputError(f"{field}.port: found {shown(port)}, allowed: 1 to 65535")
    python = fields.get("pythonpath")
    if python is not None and (not isinstance(python, str) or not python.startswith("/")):
        raise InputError(f"{field}.pythonPath: found {shown(python)}, allowed: a folder's absolute path")
    return Machine(number, str(host), port, str(user), _key(field, fields, folder), python)


def _key(field: str, fields: Mapping[str, Any], folder: Path) -> Path:
    given = fields.get("sshkeyfile", "~/.ssh/id_rsa")
    try:
        key = (folder / Path(given).expanduser()).resolve()
        with key.open("rb"):
            return key
    except (OSError, TypeError, ValueError, RuntimeError):
        raise InputError(
            f"{field}.sshKeyFile: found {shown(given)}, allowed: a private key's file"
        ) from None


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key).lower().replace("_", ""): value for key, value in settings.items()}
