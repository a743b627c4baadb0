"""Settings of a process that trains or evaluates; for commands and trials, not for library functions."""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of mallopt, from glibc's malloc.h
_NEVER = 2**31 - 1


def prepare_process() -> None:
    """Make sums of tiny numbers and large tensors cheap; compile the CPU kernels where they are not yet.

    Attention weights next to zero are denormal numbers, each of which costs many times another. And glibc
    hands the memory of every large tensor back to the system, which has to clear it page by page for the
    next one; how much that is: docs/performance-notes.md.
    """
    import torch  # a second, which who only reads this module need not spend

    from trionet_nni.operators.layers.first_use import ensure_kernels

    torch.set_flush_denormal(True)
    keep_freed_memory()
    ensure_kernels()


def keep_freed_memory() -> bool:
    """Have malloc keep freed memory for the next tensor; False where the C library is not glibc."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, _NEVER))
