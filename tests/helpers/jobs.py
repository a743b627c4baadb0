"""Jobs of `trionet reproduce` without its processes, and one that takes no time and notes that it ran."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trionet_nni.files.atomic import write_json
from trionet_nni.reproduce.jobs import RESULT, Job, read_result
from trionet_nni.reproduce.pool import with_needs


def run_here(jobs: Sequence[Job], working: Path) -> list[Job]:
    """Run what is missing without processes, for importing NNI takes most of such a short job; what ran."""
    missing = [job for job in with_needs(jobs) if job.result(working) is None]
    for job in missing:
        job.run(working)
    return missing


@dataclass(frozen=True)
class Noted(Job):
    """Writes a file; waits for another one first, so that two of them must run at once."""

    name: str
    other: str = ""
    fails: bool = False
    full: bool = False  # finds no room on the disk
    before: tuple[Noted, ...] = ()

    @property
    def title(self) -> str:
        return f"job {self.name}"

    @property
    def needs(self) -> tuple[Job, ...]:
        return self.before

    def result(self, working: Path) -> dict[str, Any] | None:
        return read_result(working / self.name)

    def run(self, working: Path) -> None:
        write_json(working / self.name / "started.json", {"pid": os.getpid()})
        while self.other and not (working / self.other / "started.json").exists():
            time.sleep(0.05)
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "results")
        if self.fails:
            os._exit(9)
        missing = [need.name for need in self.before if need.result(working) is None]
        write_json(working / self.name / RESULT, {"missing": missing})
