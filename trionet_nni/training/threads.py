"""How threads of one computation wait for each other; for commands and trials."""

from __future__ import annotations

import os


def sleep_while_waiting() -> None:
    """Have OpenMP's threads sleep where they wait for each other, unless the user chose.

    By default they spin, and a spinning thread keeps the core that the one it waits for needs: beside other
    work on the same cores a step takes many times as long (docs/performance-notes.md). Only before torch is
    imported; child processes inherit it.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
