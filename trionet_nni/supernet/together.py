"""Starting the processes that train a supernet together on this machine, with torchrun's elastic agent.

One that dies ends the others, and the agent starts them all again: they go on from the last checkpoint.
"""

from __future__ import annotations

import os
import signal
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from trionet_nni.errors import InputError, RunFailed
from trionet_nni.settings.project import ProjectConfig
from trionet_nni.supernet.curve import Curve, Point
from trionet_nni.supernet.ranks import Report, meet, train_by_plugin

_RESTARTS = 3  # of all processes, where one of them dies
_LOOK_SECONDS = 1.0  # between two looks at the curve


def check_devices(devices: int, cards: int) -> None:
    """Refuse more processes than there are GPUs; without any, processes share the cores.

    Raises:
        InputError: there are too few.
    """
    if cards and devices > cards:
        allowed = f"up to the {cards} GPUs of this machine"
        raise InputError(f"supernet.devices: found {devices}, allowed: {allowed}")


def train_together(config: ProjectConfig, directory: Path, curve: Curve, report: Report) -> None:
    """Train the supernet of a configuration in `supernet.devices` processes of this machine.

    Args:
        directory: its folder.
        curve: its file, to which the first of the processes adds.
        report: receives the points of the curve, in this process.

    Raises:
        InputError: the configuration cannot be trained.
        RunFailed: it diverged twice, or a process has died too often.
    """
    check_devices(config.supernet.devices, torch.cuda.device_count())
    launch = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=config.supernet.devices,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        max_restarts=_RESTARTS,
        monitor_interval=0.5,
        start_method="spawn",
    )
    with _reported(curve, report):
        try:
            ends = elastic_launch(launch, _rank)(config.model_dump(mode="json"), str(directory), curve.path)
        except ChildFailedError as error:
            _, failure = error.get_first_failure()
            line = f"supernet: process {failure.local_rank} of {config.supernet.devices} died"
            restarts = f"{_RESTARTS} times it was started again from the last checkpoint"
            raise RunFailed(f"{line} ({failure.exitcode}); {restarts}") from None
        except SignalException as error:
            if error.sigval == signal.SIGINT:
                raise KeyboardInterrupt from None
            raise SystemExit(128 + error.sigval) from None
    kind, line = next((end for end in ends.values() if end is not None), (None, ""))
    if kind is not None:
        raise (InputError if kind == InputError.__name__ else RunFailed)(line)


def _rank(settings: dict[str, Any], directory: str, curve: Path) -> tuple[str, str] | None:
    """What each process does; an error that all of them meet is handed back, not tried again."""
    world = int(os.environ["LOCAL_WORLD_SIZE"])
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // world))
    meet()
    try:
        train_by_plugin(ProjectConfig.model_validate(settings), Path(directory), Curve(curve).add)
    except (InputError, RunFailed) as error:
        return type(error).__name__, str(error)
    return None


@contextmanager
def _reported(curve: Curve, report: Report) -> Iterator[None]:
    """Pass on what another process adds to the curve."""
    seen: list[Point] = []
    over = threading.Event()

    def look() -> None:
        for point in curve.points():
            if point not in seen:
                seen.append(point)
                report(point)

    def keep_looking() -> None:
        while not over.wait(_LOOK_SECONDS):
            look()

    thread = threading.Thread(target=keep_looking, name="trionet-curve", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        look()
