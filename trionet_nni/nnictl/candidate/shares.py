"""How a processor is shared by trials that run at the same time. Standard library only."""

from __future__ import annotations

import math
import os


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_of_trial(concurrency: int, hosts: int = 1) -> int:
    """Threads of one trial, so that all trials of a host have its cores together; one at least.

    Args:
        concurrency: NNI's `trialConcurrency`, of all hosts together.
    """
    return max(1, cores() // max(1, math.ceil(concurrency / hosts)))


def shares(threads: int) -> int:
    """Trials of so many threads that the processor has cores for; one at least."""
    return max(1, cores() // max(1, threads))


def at_once(concurrency: int) -> int:
    """Trials of this host that compute at the same time; what else runs waits for a core."""
    return min(max(1, concurrency), shares(threads_of_trial(concurrency)))
