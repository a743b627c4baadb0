"""`trionet export`: the best networks of an experiment, as folders."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trionet_nni.commands.command import add_command

if TYPE_CHECKING:
    from trionet_nni.commands.command import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "export",
        _run,
        "Write the best networks of an experiment with weights and scripts.",
        "trionet export ID --top 5 -o out",
    )
    parser.add_argument("experiment", help="NNI experiment id, or the experiment's folder")
    parser.add_argument("--top", type=int, default=5, help="how many (default: 5)")
    parser.add_argument("-o", "--out", type=Path, default=Path("out"), help="folder (default: out)")


def _run(options: argparse.Namespace) -> int:
    from trionet_nni.export.best import export, print_exported
    from trionet_nni.report.pareto import print_common_front

    rows = export(options.experiment, options.top, options.out)
    print_common_front(options.experiment, rows)
    print_exported(rows, options.out)
    return 0
