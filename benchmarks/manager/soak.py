"""`python -m benchmarks.manager.soak`: thousands of candidates through nnictl, and what grows meanwhile.

Every sample is a line of `samples.jsonl`: resident memory and processor seconds of every kind of process,
open files of the manager, bytes that the advisor has written, seconds until the portal answers. A folder
that has an unfinished search goes on with it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.manager.experiment import PROCESSES, Experiment, Settings
from trionet_nni.nnictl.manager.rest import Manager

SAMPLES = "samples.jsonl"


def main() -> int:
    options = _options()
    experiment = Experiment(options.folder, Settings(options.candidates, options.concurrency))
    experiment.start()
    try:
        with (experiment.folder / SAMPLES).open("a", encoding="utf-8") as file:
            while experiment.status() is None:
                file.write(json.dumps(sample(experiment)) + "\n")
                file.flush()
                time.sleep(options.every)
        return experiment.status() or 0
    finally:
        experiment.close()


def sample(experiment: Experiment) -> dict[str, Any]:
    """What is seen now: bytes, seconds, numbers."""
    processes, files = experiment.processes(), experiment.files
    found: dict[str, Any] = {"time": round(time.time(), 3), "done": experiment.done()}
    found["load"] = psutil.getloadavg()[0]
    for kind in PROCESSES:
        with suppress(psutil.Error):
            found[f"{kind} rss"] = sum(one.memory_info().rss for one in processes[kind])
            times = [one.cpu_times() for one in processes[kind]]
            found[f"{kind} cpu"] = round(sum(each.user + each.system for each in times), 2)
    with suppress(psutil.Error):
        found["manager files"] = sum(one.num_fds() for one in processes["manager"])
        found["advisor written"] = sum(one.io_counters().write_chars for one in processes["advisor"])
    if files is not None:
        for name, path in (("database", files.root / "db" / "nni.sqlite"), ("state", files.strategy)):
            if path.exists():
                found[f"{name} bytes"] = path.stat().st_size
        found |= _answers(experiment)
    return found


def _answers(experiment: Experiment) -> dict[str, float]:
    """Seconds until the portal has answered: its status, and the list of trials that its pages ask for."""
    listed = experiment.folder / "home" / "nni-experiments" / ".experiment"
    found = {}
    with suppress(OSError, ValueError, StopIteration):
        manager = Manager(f"http://127.0.0.1:{next(iter(json.loads(listed.read_text()).values()))['port']}")
        for name, path in (("status", "/check-status"), ("trials", "/trial-jobs")):
            began = time.perf_counter()
            manager.get(path)
            found[f"{name} seconds"] = round(time.perf_counter() - began, 4)
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.manager.soak", description=__doc__)
    parser.add_argument("--candidates", type=int, default=5000)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--every", type=float, default=20.0, help="seconds between two samples")
    parser.add_argument("--folder", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
