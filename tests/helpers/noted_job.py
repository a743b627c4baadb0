"""A job that takes no time and notes that it ran: a module of its own, which a process can import."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trionet_nni.files.atomic import write_json
from trionet_nni.reproduce.jobs import RESULT, Job, read_result


@dataclass(frozen=True)
class Noted(Job):
    """Writes a file; waits for another one first, so that two of them must run at once."""

    name: str
    other: str = ""
    fails: bool = False
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
        if self.fails:
            os._exit(9)
        missing = [need.name for need in self.before if need.result(working) is None]
        write_json(working / self.name / RESULT, {"missing": missing})
