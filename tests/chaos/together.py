"""Two real commands at once on the same files: `python -m tests.chaos.together --seeds 20`.

Each seed takes a pair of commands and starts the second one a random while after the first. Afterwards all
commands have ended with status 0, or with 1 or 2 and one line, every file is whole, and nothing is mixed
(`tests.chaos.pairs` has the pairs, `tests.chaos.books` what is looked at).
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.books import Ended, problems
from tests.chaos.pairs import PAIRS, Pair, prepared
from tests.helpers.checkout import ROOT

_PATIENCE_SECONDS = 900.0  # of two searches on a busy machine


def main() -> int:
    options = _options()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="together-"))
    say_conditions(options.seeds, options.first, folder)
    base, bad = prepared(folder / "base"), 0
    names = [name for name in PAIRS if options.only in name]
    for seed in range(options.first, options.first + options.seeds):
        bad += not run(PAIRS[names[seed % len(names)]], names[seed % len(names)], base, folder, seed)
    say(f"{options.seeds} schedules, {bad} with something wrong" + (f"; look into {folder}" if bad else ""))
    return 1 if bad else 0


def run(pair: Pair, name: str, base: Path, folder: Path, seed: int) -> bool:
    """One schedule; whether nothing was wrong."""
    here = Path(shutil.copytree(base, folder / f"seed-{seed}", symlinks=True)).resolve()
    dice = random.Random(seed)
    offset = dice.uniform(0, pair.seconds)
    begun = time.monotonic()
    ended = together(pair.commands(here, dice), offset, here)
    found = problems(here, ended, pair)
    statuses = " and ".join(str(one.status) for one in ended)
    seconds = time.monotonic() - begun
    say(f"{seed:4}  {name:<44} second after {offset:4.1f} s: status {statuses}, {seconds:3.0f} s")
    for line in (*(one.line for one in ended if one.status), *found):
        say(f"      {line}")
    if not found:
        shutil.rmtree(here)
    return not found


def together(commands: list[list[str]], offset: float, here: Path) -> list[Ended]:
    """Start the commands, the later ones so many seconds after the one before, and wait for all."""
    environment = {
        **os.environ,
        "HOME": str(here / "home"),
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COLUMNS": "200",
    }
    started = []
    for number, command in enumerate(commands):
        time.sleep(offset if number else 0.0)
        files = [(here / f"{name}-{number}.txt").open("w+") for name in ("out", "err")]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=files[0], stderr=files[1])
        started.append((process, files))
    ended = []
    for process, files in started:
        status = process.wait(_PATIENCE_SECONDS)
        texts = [file.seek(0) or file.read() for file in files]
        ended.append(Ended(status, *texts))
    return ended


def say(line: str) -> None:
    print(line, flush=True)


def say_conditions(seeds: int, first: int, folder: Path) -> None:
    """When, what and where, before anything is counted."""
    git = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    load = os.getloadavg()[0]
    say(
        f"{time.strftime('%Y-%m-%d %H:%M')}, commit {commit}, Python {platform.python_version()}, load "
        f"{load:.2f}: {seeds} schedules from seed {first}, in {folder}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.together", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--only", default="", help="pairs with this text in their name")
    parser.add_argument("--folder", type=Path, help="a new one (default: below the temporary folder)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
