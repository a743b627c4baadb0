"""What `trionet reproduce` and `trionet fidelity` share: their jobs, their reports, what is missing."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from rich.console import Console

from trionet_nni.reproduce.report import Report


def add_report_options(parser: argparse.ArgumentParser, out: str = "docs/reproduction") -> None:
    """Add `--jobs` and `-o`."""
    text = "processes at a time (default: %(default)s)"
    parser.add_argument("--jobs", type=int, default=_jobs(), help=text)
    parser.add_argument("-o", "--out", type=Path, default=Path(out), help="folder (default: %(default)s)")


def _jobs() -> int:
    """A small network keeps one core busy; on a machine with cards, one job a card."""
    cards = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    return cards or os.cpu_count() or 1


def jobs_failed(error: Exception, console: Console) -> int:
    """One line about a job that failed, and what to do; the exit status."""
    console.print(f"[red]{error}[/]", soft_wrap=True, highlight=False)
    console.print("What is finished is kept: the same command goes on.", highlight=False)
    return 1


def show_report(report: Report, out: Path, console: Console) -> None:
    """Write a report and print it."""
    paths = report.write(out)
    console.print(paths[0].read_text(encoding="utf-8"), markup=False, highlight=False, soft_wrap=True)
    console.print(f"Written: {', '.join(map(str, paths))}", soft_wrap=True, highlight=False)
