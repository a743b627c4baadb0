"""Waiting for what must come, however busy the machine is: no test is about seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 400.0  # seconds


def until(
    condition: Callable[[], object], describe: Callable[[], str] = lambda: "", pause: float = 0.02
) -> None:
    """Return when the condition holds.

    Args:
        describe: what is told when it never does.
        pause: seconds between two looks.
    """
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"not so after {PATIENCE:g} s. {describe()}"
        time.sleep(pause)
