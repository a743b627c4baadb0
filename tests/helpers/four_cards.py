"""A machine with four cards, as NNI's probe sees it: the only part of NNI that a test replaces.

NNI asks pynvml which cards there are and who computes on them, in a process of its own; this module, as a
pynvml.py in front of the real one on PYTHONPATH, answers. Evaluators compute on the card that they were
started with.

CARDS: how many there are, if not four; CARDS_BUSY: the numbers of those on which somebody else computes.
"""

from __future__ import annotations

import os
from contextlib import suppress
from types import SimpleNamespace

import psutil

_GIB = 2**30


def nvmlInit() -> None:
    """Nothing to do."""


def nvmlShutdown() -> None:
    """Nothing to do."""


def nvmlDeviceGetCount() -> int:
    """Four, or what `CARDS` says."""
    return int(os.environ.get("CARDS", "4"))


def nvmlSystemGetDriverVersion() -> str:
    """Of no driver."""
    return "0.0"


def nvmlSystemGetCudaDriverVersion_v2() -> int:
    """As NVML counts: 1000 × major + 10 × minor."""
    return 13000


def nvmlDeviceGetHandleByIndex(index: int) -> int:
    """The card's number."""
    return index


def nvmlDeviceGetName(device: int) -> str:
    """For the portal."""
    return f"no real card {device}"


def nvmlDeviceGetNumGpuCores(device: int) -> int:
    """For the portal."""
    return 1024


def nvmlDeviceGetMemoryInfo(device: int) -> SimpleNamespace:
    """Bytes."""
    return SimpleNamespace(total=16 * _GIB, free=15 * _GIB, used=_GIB)


def nvmlDeviceGetUtilizationRates(device: int) -> SimpleNamespace:
    """Per cent."""
    return SimpleNamespace(gpu=0, memory=0)


def nvmlDeviceGetComputeRunningProcesses_v3(device: int) -> list[SimpleNamespace]:
    """Somebody else's process on a busy card, and an evaluator on its own."""
    busy = os.environ.get("CARDS_BUSY", "").split(",")
    others = [1] if str(device) in busy else []
    return [SimpleNamespace(pid=pid, usedGpuMemory=_GIB) for pid in (*others, *_evaluators(str(device)))]


def _evaluators(card: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if "trionet_nni.nnictl.evaluator" in process.cmdline():
                found += [process.pid] if process.environ().get("CUDA_VISIBLE_DEVICES") == card else []
    return found


def nvmlDeviceGetGraphicsRunningProcesses_v3(device: int) -> list[SimpleNamespace]:
    """None."""
    return []


def nvmlSystemGetProcessName(pid: int) -> str:
    """For the portal."""
    return "somebody else's"
