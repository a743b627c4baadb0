"""`trionet report`: what a search did and found, as one page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trionet_nni.commands.command import add_command
from trionet_nni.errors import InputError

if TYPE_CHECKING:
    from trionet_nni.commands.command import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "report",
        _run,
        "Write what a search did and found as one page, which opens without a network.",
        "trionet report ID -o report.html",
    )
    parser.add_argument(
        "experiment", help="NNI experiment id, or the experiment's folder; it may still run"
    )
    text = "the file (default: %(default)s)"
    parser.add_argument("-o", "--out", type=Path, default=Path("report.html"), help=text)


def _run(options: argparse.Namespace) -> int:
    if options.out.is_dir():
        raise InputError(f"{options.out}: -o: found a folder, allowed: a file")
    from trionet_nni.report.page.page import write_report

    found = write_report(options.experiment, options.out)
    print(f"{options.out}: {len(found.evaluations):,} candidates of {found.folder.root.name}")
    return 0
