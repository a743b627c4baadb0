"""The clock of the wall is set by hours under a real search: `python -m tests.chaos.clock`.

The terminal, NNI's manager, the advisor, trials and evaluators see another time of day from one moment to
the next, forwards and backwards, by a library that is preloaded (`clock.c`); the clocks that measure
durations go on, as in a machine whose clock is set. libfaketime 0.9.10 cannot do that: where it leaves
CLOCK_MONOTONIC alone, Python's `time.sleep` fails. The books are those of `tests.chaos`, no trial may have
failed, and no estimate may be of hours.
"""

from __future__ import annotations

import argparse
import random
import re
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.disturbed import options_of, search_while
from tests.chaos.experiment import Experiment
from tests.chaos.storm import Storm
from tests.chaos.together import say

_SOURCE = Path(__file__).with_name("clock.c")
_MOST_HOURS = 30  # of a jump; with as many again before the first, so that files are younger than "now"
_HOURS_LEFT = re.compile(r"[^,\n]* h [^,\n]* left|[^,\n]*-\d+ [^,\n]* left")


def main() -> int:
    options = options_of("tests.chaos.clock", __doc__, _add_options)
    with tempfile.TemporaryDirectory(prefix="clock-") as made:
        library, setting = Path(made) / "clock.so", Path(made) / "offset"
        command = ["cc", "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl"]
        subprocess.run(command, check=True)
        _set(setting, 0)
        dice = random.Random(options.seed)

        def disturb(experiment: Experiment, storm: Storm) -> None:
            for _ in range(options.jumps):
                time.sleep(dice.uniform(3, 12))
                hours = dice.choice((-1, 1)) * dice.uniform(1, _MOST_HOURS)
                _set(setting, round(3600 * hours))
                say(f"the clock is {hours:+5.1f} hours off, {len(storm.seen)} finished")

        environment = {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(setting)}
        experiment, good = search_while(disturb, options, "clock", options.jumps, environment)
    estimates = _hours_left(experiment)
    for line in estimates:
        say(f"FAILED: the terminal said {line!r}")
    return 0 if good and not estimates else 1


def _set(setting: Path, seconds: int) -> None:
    """In place: the file is mapped by whoever reads it."""
    with setting.open("r+b" if setting.exists() else "wb") as file:
        file.write(struct.pack("=q", seconds))


def _hours_left(experiment: Experiment) -> list[str]:
    """What the terminal said that promises hours."""
    return _HOURS_LEFT.findall((experiment.folder / "terminal.log").read_text(errors="replace"))


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--jumps", type=int, default=12)


if __name__ == "__main__":
    sys.exit(main())
