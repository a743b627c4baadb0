"""`python -m benchmarks.worth`: see the package."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from benchmarks.worth.case import CASES, CIFAR, ROOT
from benchmarks.worth.plan import plan
from benchmarks.worth.records import Records
from benchmarks.worth.unit import Bench, Unit

KEPT = ROOT / "docs" / "worth"


def main() -> int:
    """Do what was asked for."""
    options = _options()
    if options.command == "pictures":
        from benchmarks.worth.pictures import unpack

        print(f"{CIFAR}: {unpack(tuple(options.archives), CIFAR):,} images")
        return 0
    folder: Path = options.folder
    bench = Bench(Records(folder / "results", KEPT), folder)
    units = [unit for unit in plan() if all(word in unit.title for word in options.only)]
    if options.command == "run":
        return compute_missing(units, bench, options.seconds)
    if options.command == "keep":
        for name in CASES:
            print(bench.records.keep(name, [unit.identity for unit in plan() if unit.case.name == name]))
        return 0
    if options.command == "units":
        return show(units, bench)
    return _table(bench, options.json, write=options.command == "page")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worth", description=__doc__)
    parser.add_argument("--json", action="store_true", help="the numbers as JSON")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "worth", help="results, checkpoints")
    commands = parser.add_subparsers(dest="command")
    listing = commands.add_parser("units", help="what is done, what is missing, its CPU time")
    running = commands.add_parser("run", help="compute what is missing; may be killed at any time")
    running.add_argument("--seconds", type=float, default=float("inf"), help="of CPU, at most")
    for one in (listing, running):
        one.add_argument("--only", nargs="*", default=[], help="units whose titles have all these words")
    commands.add_parser("keep", help="write docs/worth/*.json, to commit, from the results")
    commands.add_parser("page", help="write the section of docs/results.md")
    pictures = commands.add_parser("pictures", help="unpack CIFAR-10 for it")
    pictures.add_argument("archives", type=Path, nargs=2)
    parser.set_defaults(only=[])
    return parser.parse_args()


def compute_missing(units: list[Unit], bench: Bench, seconds: float) -> int:
    """Compute what is missing, in this order, unless another process computes there; the exit status.

    Args:
        seconds: of CPU, at most.
    """
    import nni  # sets up the logger that is quietened below

    from benchmarks.worth.runner import run
    from trionet_nni.files.locks import try_lock
    from trionet_nni.training.process import prepare_process

    held = try_lock(bench.folder / "run.lock")
    if held is None:
        print(f"{bench.folder}: another process computes there", file=sys.stderr)
        return 1
    logging.getLogger(nni.__name__).setLevel(logging.WARNING)  # of a line with all genes of each candidate
    prepare_process()
    with held:
        try:
            count = run(units, bench, seconds)
        except KeyboardInterrupt:
            print("\ninterrupted: the same command goes on from the last checkpoint", file=sys.stderr)
            return 130
    print(f"{count} units computed")
    return 0


def _table(bench: Bench, as_json: bool, *, write: bool) -> int:
    from benchmarks.worth import page

    found = page.numbers(bench)
    if write:
        page.write(page.section(found))
    else:
        print(json.dumps(found) if as_json else page.section(found), end="")
    return 0


def show(units: list[Unit], bench: Bench) -> int:
    """Print what is done and what is missing."""
    missing = 0.0
    for unit in units:
        found = bench.result(unit)
        seconds = unit.estimate if found is None else float(found["cpu_seconds"])
        missing += unit.estimate if found is None else 0
        print(f"{'missing' if found is None else 'done':<8} {seconds:>6.0f} s  {unit.title}")
    print(f"missing: about {missing / 60:.0f} CPU minutes of one core")
    return 0


if __name__ == "__main__":
    sys.exit(main())
