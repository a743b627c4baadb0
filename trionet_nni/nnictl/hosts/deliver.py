"""Bringing a parcel to a host: what it lacks, and nothing else."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from trionet_nni.errors import InputError, shown
from trionet_nni.files.text import parse_json
from trionet_nni.nnictl.hosts.machines import Machine
from trionet_nni.nnictl.hosts.parcel import Parcel
from trionet_nni.nnictl.hosts.ssh import checked, python_on

_RECEIVE = Path(__file__).with_name("receive.py")
_PART = 1 << 20  # bytes sent at a time


@dataclass(frozen=True)
class Delivery:
    """What a host was sent.

    Attributes:
        received: bytes; 0 where it had everything.
    """

    machine: Machine
    received: int


def deliver(parcel: Parcel, experiment: str, machines: Sequence[Machine]) -> list[Delivery]:
    """Bring a parcel to all hosts at once.

    Args:
        experiment: NNI's id; the host's folder of it is made.

    Raises:
        InputError: a host cannot be reached, or cannot take it.
    """
    with ThreadPoolExecutor(len(machines)) as pool:
        return list(pool.map(lambda machine: _deliver(parcel, experiment, machine), machines))


def _deliver(parcel: Parcel, experiment: str, machine: Machine) -> Delivery:
    command = python_on(machine, _RECEIVE.read_text(encoding="utf-8"))
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        with process:
            assert process.stdin is not None and process.stdout is not None
            try:
                received = _talk(parcel, experiment, process.stdin, process.stdout)
                problem = None
            except (OSError, ValueError) as error:  # it has ended; why stands on its standard error
                received, problem = 0, error
                process.stdout.close()
            with suppress(OSError):  # what was left in the buffer cannot be sent any more
                process.stdin.close()
        errors.seek(0)
        checked(machine, process.returncode, errors.read().decode(errors="replace"))
    if problem is not None:
        raise InputError(f"{machine.field}: found {shown(str(problem))}, allowed: a host that takes files")
    return Delivery(machine, received)


def _talk(parcel: Parcel, experiment: str, there: IO[bytes], back: IO[bytes]) -> int:
    """The conversation that `receive` describes; how many bytes were sent."""
    files = {name: [content.digest, content.size] for name, content in parcel.files.items()}
    order = {"experiment": experiment, "files": files, "texts": parcel.texts}
    there.write(json.dumps(order).encode() + b"\n")
    there.flush()
    paths = {content.digest: content.path for content in parcel.files.values()}
    for digest in _answer(back, "lacks")["lacks"]:
        with paths[digest].open("rb") as file:
            while part := file.read(_PART):
                there.write(part)
        there.flush()
    return int(_answer(back, "received")["received"])


def _answer(back: IO[bytes], wanted: str) -> Mapping[str, Any]:
    """The next line that is an answer; a login may have printed others."""
    while line := back.readline():
        try:
            found = parse_json(line)
        except ValueError:
            continue
        if isinstance(found, dict) and wanted in found:
            return found
    raise ValueError("the connection ended without an answer")
