"""Starting the processes that train together on this machine, with torchrun's elastic agent.

One that dies ends the others, and the agent starts them all again: they go on from the last checkpoint.
"""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable
from typing import Any

import torch
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from trionet_nni.errors import InputError, RunFailed
from trionet_nni.training.process import prepare_process
from trionet_nni.training.ranks import meet
from trionet_nni.training.share import check_devices

_RESTARTS = 3  # of all processes, where one of them dies
_Ended = tuple[type[Exception] | None, Any]  # an error and its line, or None and what was returned


def run_together(devices: int, field: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in so many processes of this machine at once.

    Args:
        field: of the setting that asks for them, e.g. "supernet.devices".
        function: one of a module, which can be imported in each process.
        arguments: which can be pickled.

    Returns:
        What it returns in the first process.

    Raises:
        InputError: it raised one, in any process; or there are fewer GPUs.
        RunFailed: it raised one, or a process has died too often.
    """
    check_devices(field, devices, torch.cuda.device_count())
    launch = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=devices,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        max_restarts=_RESTARTS,
        monitor_interval=0.5,
        start_method="spawn",
    )
    try:
        ends: dict[int, _Ended] = elastic_launch(launch, _rank)(function, arguments)
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        line = f"{field}: process {failure.local_rank} of {devices} died ({failure.exitcode})"
        raise RunFailed(
            f"{line}; {_RESTARTS} times it was started again from the last checkpoint"
        ) from None
    except SignalException as error:
        if error.sigval == signal.SIGINT:
            raise KeyboardInterrupt from None
        raise SystemExit(128 + error.sigval) from None
    for kind, line in ends.values():
        if kind is not None:
            raise kind(line)
    return ends[0][1]


def _rank(function: Callable[..., Any], arguments: tuple[Any, ...]) -> _Ended:
    """What each process does; an error that all of them meet is handed back, not tried again."""
    world = int(os.environ["LOCAL_WORLD_SIZE"])
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // world))
    prepare_process()
    meet()
    try:
        return None, function(*arguments)
    except (InputError, RunFailed) as error:
        return InputError if isinstance(error, InputError) else RunFailed, str(error)
