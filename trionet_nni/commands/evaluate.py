"""`trionet evaluate`: what an exported network reaches, class by class."""

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
        "evaluate",
        _run,
        "Measure a network: accuracy, loss, every class, confusion matrix.",
        "trionet evaluate out/1",
    )
    parser.add_argument("export", type=Path, help="exported folder, e.g. out/1")
    parser.add_argument("--data", type=Path, help="folder of class folders (default: its own test images)")
    add_weights(parser)
    parser.add_argument("--size", type=int, help="side of the images in pixels (default: as in training)")
    text = "folder for the confusion matrix (default: in the exported folder)"
    parser.add_argument("-o", "--out", type=Path, help=text)


def add_weights(parser: argparse.ArgumentParser) -> None:
    """Add `--weights`."""
    text = "retrained, finetuned, supernet or a .safetensors file (default: the best measured)"
    parser.add_argument("--weights", default="best available", help=text)


def _run(options: argparse.Namespace) -> int:
    from trionet_nni.export.evaluate import evaluate
    from trionet_nni.export.evaluation_files import default_folder, print_evaluation, write_evaluation
    from trionet_nni.training.process import prepare_process

    prepare_process()
    if options.out is not None and options.out.is_file():
        raise InputError(f"{options.out}: -o: found a file, allowed: a folder")
    found = evaluate(options.export, data=options.data, weights=options.weights, size=options.size)
    paths = write_evaluation(found, options.out or default_folder(found))
    print_evaluation(found)
    print("Written:", *paths)
    return 0
