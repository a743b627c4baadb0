"""`trionet search FILE` without an export: there are no weights that could be exported."""

from __future__ import annotations

import sys
from pathlib import Path

from trionet_nni.commands import accompany
from trionet_nni.export import best
from trionet_nni.report import pareto


def main(file: str) -> int:
    """The exit status of the search."""
    best.export = lambda root, top, out: []  # type: ignore[assignment]
    best.print_exported = lambda rows, out: None
    pareto.print_common_front = lambda experiment, rows: None
    accompany._report = lambda console, folder, out: None
    return accompany.search(Path(file), out=Path(file).with_name("out"))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
