"""`trionet compare`: networks side by side."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from trionet_nni.commands.command import add_command

if TYPE_CHECKING:
    from trionet_nni.commands.command import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "compare",
        _run,
        "Show networks side by side: cost, accuracy, and the blocks in which they differ.",
        "trionet compare out/1 out/2",
    )
    text = "exported folders, architecture files, or names such as resnet-50"
    parser.add_argument("networks", nargs="+", help=text)


def _run(options: argparse.Namespace) -> int:
    from trionet_nni.report.compare import look_at, print_compared

    print_compared([look_at(name) for name in options.networks])
    return 0
