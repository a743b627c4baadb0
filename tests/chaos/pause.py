"""All processes of a real search are stopped for a minute and go on: `python -m tests.chaos.pause`.

As on a machine that sleeps, or in a container that is paused: afterwards nothing may be late. The books are
those of `tests.chaos`, and no trial may have failed.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from tests.chaos.experiment import Experiment
from tests.chaos.ledger import ledger
from tests.chaos.storm import Storm
from tests.chaos.together import say, say_conditions


def main() -> int:
    options = _options()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="pause-"))
    say_conditions(options.pauses, options.seed, folder)
    experiment = Experiment(folder / "search", options.candidates, 2, 1.0, options.seed, (2, 1))
    storm = Storm(experiment, options.candidates, 0, options.seed, say)
    thread = threading.Thread(target=_pause, args=(experiment, storm, options), daemon=True)
    thread.start()
    try:
        seconds = storm.run()
        books = ledger(experiment, options.candidates, storm.seen)
    finally:
        experiment.close()
    for name, count in books.rows():
        say(f"  {name:<12} {count:5}")
    say(f"  {'duration':<12} {seconds:5.0f} s")
    good = books.good and books.failed == 0 and experiment.starts == 1
    say("nothing failed, nothing lost" if good else f"FAILED; look into {folder}")
    return 0 if good else 1


def _pause(experiment: Experiment, storm: Storm, options: argparse.Namespace) -> None:
    """Stop everything now and then, as often as asked for."""
    dice = random.Random(options.seed)
    for _ in range(options.pauses):
        time.sleep(dice.uniform(20, 60))
        stopped = list(_processes(experiment))
        for process in stopped:
            with suppress(psutil.Error):
                process.suspend()
        say(f"{len(stopped)} processes stopped for {options.seconds:g} s, {len(storm.seen)} finished")
        time.sleep(options.seconds)
        for process in stopped:
            with suppress(psutil.Error):
                process.resume()


def _processes(experiment: Experiment) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("CHAOS_LOG") == str(experiment.log):
                yield process


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.pause", description=__doc__)
    parser.add_argument("--pauses", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60, help="of each")
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="a new one (default: below the temporary folder)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
