"""`trionet verify`: what the paper prints of sizes and costs, computed now."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from trionet_nni.commands.command import add_command

if TYPE_CHECKING:
    from trionet_nni.commands.command import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "verify",
        _run,
        "Compute what the paper prints of sizes and costs, beside the paper's.",
        "trionet verify",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a figure")


def _run(options: argparse.Namespace) -> int:
    from trionet_nni.reproduce.verify import print_rows, verify

    rows = verify()
    if options.json:
        for row in rows:
            print(json.dumps(row.to_dict(), ensure_ascii=False))
    else:
        print_rows(rows)
    return 0
