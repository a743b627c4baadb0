"""`python -m tests.hostile`: every hostile input, and a table of what became of each class.

`python -m tests.hostile TEXT` runs the cases with this text in their class or name, and shows every line.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.hostile.case import REFUSED, USABLE, VERDICTS, Case, Outcome, outcome
from tests.hostile.corpus import CASES


def main(wanted: str = "") -> int:
    """Run the cases, print the table; 1 where an outcome is not as it must be."""
    console = Console(width=150 if not sys.stdout.isatty() else None)
    chosen = [case for case in CASES if wanted in f"{case.kind}: {case.name}"]
    found = []
    for case in track(chosen, "hostile inputs", console=Console(stderr=True), transient=True):
        with tempfile.TemporaryDirectory() as folder:
            found.append((case, outcome(case, Path(folder))))
    for case, result in found:
        if wanted or result.verdict not in (REFUSED, USABLE):
            text = f"{case.kind}: {case.name}: {result.verdict}\n  {result.told.strip()}"
            console.print(text, markup=False, highlight=False, soft_wrap=True)
    console.print(_table(found))
    return any(result.verdict not in (REFUSED, USABLE) for _, result in found)


def _table(found: list[tuple[Case, Outcome]]) -> Table:
    table = Table(title=f"{len(found)} hostile inputs")
    for name in ("class", "met by", "inputs", *VERDICTS):
        table.add_column(name, justify="left" if name in ("class", "met by") else "right")
    for kind in dict.fromkeys(case.kind for case, _ in found):
        of_kind = [(case, result) for case, result in found if case.kind == kind]
        meets = ", ".join(dict.fromkeys(case.meets for case, _ in of_kind))
        table.add_row(kind, meets, *_counts([result for _, result in of_kind]))
    table.add_section()
    table.add_row("all", "", *_counts([result for _, result in found]))
    return table


def _counts(results: list[Outcome]) -> list[str]:
    counts = Counter(result.verdict for result in results)
    return [str(len(results)), *(str(counts[verdict]) for verdict in VERDICTS)]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
