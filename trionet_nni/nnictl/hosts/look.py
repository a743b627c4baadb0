"""Whether the machines of a search can be used, before anything is started on them."""

from __future__ import annotations

import platform
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from trionet_nni.errors import InputError, shown
from trionet_nni.files.text import parse_json
from trionet_nni.nnictl.hosts.machines import Machine
from trionet_nni.nnictl.hosts.ssh import run_python

_REPORT = Path(__file__).with_name("report.py")
_SAME = ("nni", "torch", "torchvision")  # another version gives other numbers, or does not understand us
_NEEDED = ("numpy", "pillow", "pydantic", "pyyaml", "safetensors")
_TO_TRAIN = ("pytorch-lightning", "torchmetrics", "tensorboard")
_LONGEST = 107 - len("/nni-experiments/12345678/trionet/manager-999.socket")  # bytes of a socket's path


def look_at(machines: Sequence[Machine], *, training: bool = False) -> None:
    """Log in everywhere, and compare what is installed with this machine.

    This project's own code need not be there: it is sent along.

    Args:
        training: whether finalists are trained there.

    Raises:
        InputError: the first machine that cannot be used, and why.
    """
    packages = (*_SAME, *_NEEDED, *(_TO_TRAIN if training else ()))
    with ThreadPoolExecutor(len(machines)) as pool:
        reports = pool.map(partial(_ask, packages=packages), machines)
        for machine, found in zip(machines, reports, strict=True):
            _compare(machine, found, packages)


def _ask(machine: Machine, packages: Sequence[str]) -> Mapping[str, Any]:
    # The forwarding is not used; but NNI's manager will need one, and ssh ends where it is refused.
    socket = f"/tmp/.trionet-{secrets.token_hex(8)}.socket"
    options = ["-o", "ExitOnForwardFailure=yes", "-R", f"{socket}:127.0.0.1:9"]
    source = _REPORT.read_text(encoding="utf-8")
    try:
        said = run_python(machine, source, socket, *packages, options=options)
    except InputError as error:
        if "forwarding failed" not in str(error):
            raise
        raise InputError(
            f"{machine.field}.host: found {machine.host}, whose sshd forwards no sockets, allowed: "
            "AllowStreamLocalForwarding yes: candidates ask the manager through the connection"
        ) from None
    try:
        found = parse_json(said.strip().rpartition("\n")[2])  # a login may print a greeting
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("packages"), dict):
        raise InputError(f"{machine.field}: found {shown(said)}, allowed: a report of what is installed")
    return found


def _compare(machine: Machine, found: Mapping[str, Any], packages: Sequence[str]) -> None:
    field, home = f"{machine.field}.pythonPath", str(found.get("home"))
    if len(home.encode()) > _LONGEST:
        raise InputError(
            f"{machine.field}.user: found the home {home}, allowed: up to {_LONGEST} bytes, for sockets"
        )
    mine, python = platform.python_version(), str(found.get("python"))
    if python.split(".")[:2] != mine.split(".")[:2]:
        raise InputError(f"{field}: found Python {python}, allowed: {mine}, as on this machine")
    for name in packages:
        version, wanted = found["packages"].get(name), metadata.version(name)
        if version is None:
            raise InputError(f"{field}: found no {name}, allowed: {name} {wanted}, as on this machine")
        if name in _SAME and _public(str(version)) != _public(wanted):
            raise InputError(f"{field}: found {name} {version}, allowed: {wanted}, as on this machine")


def _public(version: str) -> str:
    """Without what says for which cards it was built: 2.14.1+cu130 and 2.14.1+cpu compute alike."""
    return version.partition("+")[0]
