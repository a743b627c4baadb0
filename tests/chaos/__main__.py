"""`python -m tests.chaos`: a search in peace, one with kills, and the books of both."""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.experiment import ROOT, Experiment
from tests.chaos.ledger import Ledger, kinds, ledger
from tests.chaos.storm import Storm


def main() -> int:
    options = _options()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    _conditions(options, folder)
    peace = None if options.no_peace else run(folder / "peace", options, 0)
    if peace is not None:
        say(f"without kills: {peace[0]:.0f} s")
    say("kill     after    process              then")
    seconds, books, killed = run(folder / "storm", options, options.kills)
    say(f"\nkilled: {kinds(killed)}")
    for name, count in books.rows():
        say(f"  {name:<12} {count:5}")
    beside = "" if peace is None else f"; {peace[0]:.0f} s without kills"
    say(f"  {'duration':<12} {seconds:5.0f} s{beside}")
    good = books.good and len(killed) >= options.kills and (peace is None or peace[1].good)
    say("nothing lost, nothing repeated, nothing mismatched" if good else f"FAILED; look into {folder}")
    return 0 if good else 1


def run(folder: Path, options: argparse.Namespace, kills: int) -> tuple[float, Ledger, list[str]]:
    """One search: seconds, books, and what was killed."""
    ladder = options.finalists, options.rungs
    experiment = Experiment(
        folder, options.candidates, options.concurrency, options.seconds, options.seed, ladder
    )
    storm = Storm(experiment, options.candidates, kills, options.seed, say, options.minutes * 60)
    try:
        seconds = storm.run()
        return seconds, ledger(experiment, options.candidates, storm.seen), storm.killed
    finally:
        experiment.close()


def say(line: str) -> None:
    print(line, flush=True)


def _conditions(options: argparse.Namespace, folder: Path) -> None:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    load = Path("/proc/loadavg").read_text().split()[0] if Path("/proc/loadavg").exists() else "?"
    say(
        f"{time.strftime('%Y-%m-%d %H:%M')}, commit {commit.stdout.strip()}, Python "
        f"{platform.python_version()}, load {load}: {options.candidates} candidates, concurrency "
        f"{options.concurrency}, {options.kills} kills, seed {options.seed}, in {folder}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1.0, help="of an evaluation, on average")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--finalists", type=int, default=5, help="on the first rung")
    parser.add_argument("--rungs", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=1e9, help="after these, no further kill")
    parser.add_argument("--no-peace", action="store_true", help="without the undisturbed search")
    parser.add_argument("--folder", type=Path, help="a new one (default: below the temporary folder)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
