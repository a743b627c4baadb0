"""All processes of a real search are stopped for a minute and go on: `python -m tests.chaos.pause`.

As on a machine that sleeps, or in a container that is paused: afterwards nothing may be late. The books are
those of `tests.chaos`, and no trial may have failed.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil

from tests.chaos.disturbed import options_of, search_while
from tests.chaos.experiment import Experiment
from tests.chaos.storm import Storm
from tests.chaos.together import say


def main() -> int:
    options = options_of("tests.chaos.pause", __doc__, _add_options)
    dice = random.Random(options.seed)

    def pause(experiment: Experiment, storm: Storm) -> None:
        for _ in range(options.pauses):
            time.sleep(dice.uniform(20, 60))
            _pause(experiment, storm, options.seconds)

    _, good = search_while(pause, options, "pause", options.pauses)
    return 0 if good else 1


def _pause(experiment: Experiment, storm: Storm, seconds: float) -> None:
    """Stop everything once, and have it go on."""
    stopped = list(_processes(experiment))
    for process in stopped:
        with suppress(psutil.Error):
            process.suspend()
    say(f"{len(stopped)} processes stopped for {seconds:g} s, {len(storm.seen)} finished")
    time.sleep(seconds)
    for process in stopped:
        with suppress(psutil.Error):
            process.resume()


def _processes(experiment: Experiment) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("CHAOS_LOG") == str(experiment.log):
                yield process


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pauses", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60, help="of each")


if __name__ == "__main__":
    sys.exit(main())
