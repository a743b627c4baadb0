"""`trionet predict`: what a network takes pictures for."""

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
        "predict",
        _run,
        "Say what a network takes pictures for.",
        "trionet predict out/1 picture.jpg holidays --csv found.csv",
    )
    parser.add_argument("export", type=Path, help="exported folder, e.g. out/1")
    parser.add_argument("pictures", type=Path, nargs="+", help="image files, or folders of them")
    add_weights(parser)
    parser.add_argument("--csv", type=Path, help="file for picture, class and probability")


def _run(options: argparse.Namespace) -> int:
    if options.csv is not None and options.csv.is_dir():
        raise InputError(f"{options.csv}: --csv: found a folder, allowed: a file")
    from trionet_nni.export.load import load
    from trionet_nni.export.predict import pictures, predict, write_predictions
    from trionet_nni.training.process import prepare_process

    prepare_process()
    files = pictures(options.pictures)
    found = predict(load(options.export, options.weights), files)
    if options.csv is not None:
        write_predictions(options.csv, found)
    for one in found:
        print(f"{one.file}: {one.name} ({one.probability:.4f})")
    return 0
