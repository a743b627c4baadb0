"""`python -m tests.fuzz TARGET --seconds 600`: one reader under atheris; without a target all, in turn.

atheris is not among this project's dependencies: `pip install atheris` (docs/fuzzing.md).
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

from tests.fuzz.campaign import run
from tests.fuzz.registry import NAMES

_HEADER = "| target | seconds | runs | runs/s | edges | findings |\n|---|---|---|---|---|---|"


def main() -> int:
    """Print a row for each target; 1 where there is a finding, 2 where atheris is not there."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--seconds", type=float, default=600, help="for each")
    parser.add_argument(
        "--folder", type=Path, default=Path("build/fuzz"), help="for corpora, findings, logs"
    )
    options = parser.parse_args()
    unknown = set(options.targets) - set(NAMES)
    if unknown:
        parser.error(f"found {', '.join(sorted(unknown))}, allowed: {', '.join(NAMES)}")
    if importlib.util.find_spec("atheris") is None:
        print("fuzz: found no atheris, allowed: pip install atheris in this environment", file=sys.stderr)
        return 2
    print(_HEADER, flush=True)
    found = False
    for name in options.targets or NAMES:
        campaign = run(name, options.seconds, options.folder.resolve() / name)
        print(campaign.line(), flush=True)
        found = found or bool(campaign.findings) or campaign.status != 0
    return int(found)


if __name__ == "__main__":
    sys.exit(main())
