"""Where the evaluator of a device listens, and which device a trial has. Standard library only."""

from __future__ import annotations

import os
import re
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.files.locks import try_lock
from trionet_nni.files.text import last_line_of
from trionet_nni.nnictl.candidate.shares import shares

_LOOK_SECONDS = 0.02  # between looks at which share is free
_MAX_ADDRESS = 100  # bytes; the kernel takes 107 and a final zero
_DRIVER = Path("/dev/nvidiactl")


@dataclass(frozen=True)
class EvaluatorFiles:
    """The files of one device's evaluator.

    Attributes:
        device: `gpu-` and what `CUDA_VISIBLE_DEVICES` says, or `cpu-` and a number.
        socket: where it listens; only this user may enter the folder.
        log: what it wrote.
        alive: a lock that it holds as long as it lives.
        starting: a lock that is held by who starts it.
    """

    folder: Path
    device: str

    @property
    def socket(self) -> Path:
        """The Unix socket that trials ask at; only this user may enter its folder."""
        return self.folder / f"{self.device}.socket"

    @property
    def log(self) -> Path:
        """What the evaluator wrote to standard output and standard error."""
        return self.folder / f"{self.device}.log"

    @property
    def alive(self) -> Path:
        """A lock that it holds as long as it lives."""
        return self.folder / f"{self.device}.alive"

    @property
    def starting(self) -> Path:
        """A lock of who starts it."""
        return self.folder / f"{self.device}.starting"

    @property
    def began(self) -> Path:
        """What it is at work on, and since when; see `trionet_nni.nnictl.candidate.time_limit`."""
        return self.folder / f"{self.device}.began"

    @property
    def busy(self) -> Path:
        """A lock of the trial that uses this share of the processor."""
        return self.folder / f"{self.device}.busy"

    def last_log_line(self) -> str:
        """The end of its log."""
        return last_line_of(self.log, "it wrote nothing")


def evaluator_files(folder: ExperimentFolder, device: str) -> EvaluatorFiles:
    """Those of one device; their folder is made, for this user alone."""
    folder.evaluators.mkdir(parents=True, exist_ok=True)
    folder.evaluators.chmod(0o700)
    return EvaluatorFiles(folder.evaluators, device)


def take_evaluator(
    folder: ExperimentFolder, environment: Mapping[str, str] = os.environ
) -> tuple[EvaluatorFiles, IO[str] | None]:
    """The evaluator that a trial asks: of its card, which others may share, or of a share of the processor.

    There are as many shares as the processor has room for. A trial beyond them waits here for the next one
    that is free: NNI's manager takes most of a second to start a trial, which then is over already.

    Returns:
        Its files, and a lock to hold while it is asked: the first share that no other trial has.
    """
    cards = environment.get("CUDA_VISIBLE_DEVICES")
    if cards is None and _DRIVER.exists():
        cards = "all"
    if cards and cards != "-1":
        return evaluator_files(folder, "gpu-" + re.sub(r"[^\w.-]", "_", cards)[:60]), None
    while True:
        given = environment.get("OMP_NUM_THREADS", "")
        for number in range(shares(int(given) if given.isdecimal() else 1)):
            found = evaluator_files(folder, f"cpu-{number}")
            held = try_lock(found.busy)
            if held is not None:
                return found, held
        time.sleep(_LOOK_SECONDS)


@contextmanager
def address(path: Path) -> Iterator[str]:
    """A name for a socket file that the kernel takes, however long its path is.

    Raises:
        OSError: the path is too long, and this system has no /proc.
    """
    if len(os.fsencode(path)) <= _MAX_ADDRESS:
        yield str(path)
        return
    parent = os.open(path.parent, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{parent}/{path.name}"
    finally:
        os.close(parent)


def of_owner(connection: socket.socket) -> bool:
    """Whether this user, or root, is at the other end of a Unix socket; yes where that is not told."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    size = struct.calcsize("3i")  # process, user, group
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return user in (0, os.getuid())


def connect(path: Path) -> socket.socket | None:
    """A connection to who listens there; None where nobody does, or another user."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        with address(path) as name:
            connection.connect(name)
    except OSError:
        connection.close()
        return None
    if not of_owner(connection):
        connection.close()
        return None
    return connection
