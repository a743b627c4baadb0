"""A finalist's training on another machine that leaves no sign of life: it ends itself.

Beside the search that is seen by the advisor (`trionet_nni.nnictl.search.deadline`), which sees no files of
another machine.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from trionet_nni.nnictl.candidate.alive import is_away
from trionet_nni.nnictl.candidate.awake import Ages, Awake

CHECKPOINT_SECONDS = 600.0  # between two signs of life of a finalist, loading included
_SHARE = 0.1  # of the time that is allowed: how often is looked


@contextmanager
def ended_when_silent(seconds: float, sign: Callable[[], float]) -> Iterator[None]:
    """Inside, on another machine than the search's, the process ends itself after too long a silence.

    Args:
        seconds: `search.time_limit`; 600 more are allowed.
        sign: another number each time that the training has written something.
    """
    if not is_away():
        yield
        return
    over = threading.Event()
    arguments = (seconds + CHECKPOINT_SECONDS, sign, over)
    threading.Thread(target=_watch, args=arguments, name="silence", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _watch(seconds: float, sign: Callable[[], float], over: threading.Event) -> None:
    pause = max(1.0, _SHARE * seconds)
    ages = Ages(Awake(2 * pause))
    while not over.wait(pause):
        try:
            age = ages.of("training", sign())
        except OSError:  # a file was renamed while it was looked at: it is alive
            continue
        if age > seconds:
            print(f"error: no sign of life of the training for {seconds:g} s", file=sys.stderr, flush=True)
            os._exit(1)
