"""`trionet draw`: a network as a picture."""

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
        "draw",
        _run,
        "Draw a network block by block, as an SVG picture.",
        "trionet draw out/1 -o net.svg",
    )
    text = "exported folder, architecture file, or the name of a hand-designed network"
    parser.add_argument("network", help=text)
    text = "the picture (default: %(default)s)"
    parser.add_argument("-o", "--out", type=Path, default=Path("net.svg"), help=text)


def _run(options: argparse.Namespace) -> int:
    if options.out.is_dir():
        raise InputError(f"{options.out}: -o: found a folder, allowed: a file")
    from trionet_nni.files.atomic import write_text
    from trionet_nni.report.compare import look_at

    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_text(options.out, look_at(options.network).drawing)
    print(options.out)
    return 0
