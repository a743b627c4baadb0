"""`python -m benchmarks.options`: see the package."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.options.plan import plan
from benchmarks.worth.__main__ import KEPT, compute_missing, show
from benchmarks.worth.case import ROOT
from benchmarks.worth.plan import plan as worth
from benchmarks.worth.records import Records
from benchmarks.worth.unit import Bench


def main() -> int:
    """Do what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.options", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["table", "units", "run", "keep"], default="table")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "runs" / "worth", help="as of benchmarks.worth"
    )
    parser.add_argument("--only", nargs="*", default=[], help="units whose titles have all these words")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="of CPU, at most")
    given = parser.parse_args()
    bench = Bench(Records(given.folder / "results", KEPT), given.folder)
    units = [unit for unit in plan() if all(word in unit.title for word in given.only)]
    if given.command == "run":
        return compute_missing(units, bench, given.seconds)
    if given.command == "units":
        return show(units, bench)
    if given.command == "keep":
        theirs = {unit.identity for unit in worth()}
        print(bench.records.keep("options", [u.identity for u in units if u.identity not in theirs]))
        return 0
    from benchmarks.options.table import table

    print(table(bench), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
