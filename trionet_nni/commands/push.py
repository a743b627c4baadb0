"""`trionet push`: a network for other people, on Hugging Face's hub or in a folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trionet_nni.commands.command import add_command
from trionet_nni.commands.evaluate import add_weights
from trionet_nni.errors import InputError

if TYPE_CHECKING:
    from trionet_nni.commands.command import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "push",
        _run,
        "Send a network to Hugging Face's hub, with its card, for trionet_nni.create_model and timm.",
        "trionet push out/1 USER/NAME --license mit",
    )
    parser.add_argument("export", type=Path, help="exported folder, e.g. out/1")
    parser.add_argument("repository", nargs="?", help="USER/NAME on the hub (log in with: hf auth login)")
    text = "write the files into this new folder instead, e.g. to look at them"
    parser.add_argument("--folder", type=Path, help=text)
    add_weights(parser)
    parser.add_argument("--private", action="store_true", help="a new repository is for its owner alone")
    parser.add_argument("--license", help="of the weights, by the hub's name for it, e.g. mit or cc-by-4.0")


def _run(options: argparse.Namespace) -> int:
    if (options.repository is None) == (options.folder is None):
        both = "both" if options.folder else "neither"
        raise InputError(f"push: found {both} of USER/NAME and --folder, allowed: one")
    chosen = {"weights": options.weights, "license": options.license}
    if options.folder is not None:
        from trionet_nni.export.staged import stage

        stage(options.export, options.folder, **chosen)
        print(f'{options.folder}: timm.create_model("local-dir:{options.folder}", pretrained=True)')
        return 0
    from trionet_nni.export.hub import push

    print(push(options.export, options.repository, private=options.private, **chosen))
    print(f'trionet_nni.create_model("hf-hub:{options.repository}")')
    return 0
