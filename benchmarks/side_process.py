"""One side of a comparison in a process of its own, which takes a step for every line it reads."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

DONE = "done"


def serve(steps: Sequence[Callable[[], object]]) -> None:
    """In the side's process: take step after step, in turn and for ever, one for every line read."""
    print(DONE, flush=True)
    for step, _ in zip(itertools.cycle(steps), sys.stdin, strict=False):
        step()
        print(DONE, flush=True)


class Side:
    """The other end: `step()` returns when one step is done.

    Raises:
        RuntimeError: the process ended.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._wait()

    def step(self) -> None:
        """Take one step."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._wait()

    def _wait(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:  # what libraries print comes before
            if line == f"{DONE}\n":
                return
        raise RuntimeError("the process of a side ended")


@contextmanager
def side(code: str, environment: Mapping[str, str | None], folder: Path | None = None) -> Iterator[Side]:
    """A process that runs Python code, which ends with `serve`.

    Args:
        environment: changes to this process's; None takes a variable out.
        folder: where it starts, and so the first place where it looks for modules; here when None.
    """
    changed = {name: value for name, value in os.environ.items() if name not in environment}
    changed |= {name: value for name, value in environment.items() if value is not None}
    pipe = subprocess.PIPE
    command = [sys.executable, "-W", "ignore", "-c", code]
    with subprocess.Popen(command, cwd=folder, env=changed, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield Side(process)
        finally:
            process.kill()
