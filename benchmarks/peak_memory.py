"""Peak memory of one call, in a process of its own: bytes above what it held before.

torch's CPU allocator keeps no statistics; the kernel does: the high-water mark of resident memory,
which Linux lets a process set back.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")  # 5: the high-water mark starts anew


def peak_bytes(prepare: Callable[..., Callable[[], Any]], *arguments: Any) -> int:
    """Peak of the call that `prepare(*arguments)` returns; everything it needs is made before.

    Args:
        prepare: a module's function, with arguments that can be sent to another process.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_measure, args=(sender, prepare, arguments))
    child.start()
    sender.close()
    try:
        peak: int = receiver.recv()
    except EOFError:
        raise RuntimeError(f"{prepare.__name__}{arguments}: the measured process died") from None
    finally:
        child.join()
    return peak


def _measure(sender: Any, prepare: Callable[..., Callable[[], Any]], arguments: tuple[Any, ...]) -> None:
    run = prepare(*arguments)
    run()  # code is loaded and buffers of the libraries are made at the first call
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what is free goes back, so that the next call's need is seen whole
    _RESET.write_text("5")
    before = _kilobytes("VmRSS")
    run()
    sender.send(1024 * (_kilobytes("VmHWM") - before))


def _kilobytes(field: str) -> int:
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
