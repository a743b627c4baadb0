"""`trionet finetune`: train one network on from its exported weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trionet_nni.commands.command import (
    add_command,
    add_logger_option,
    add_quiet_option,
    add_set_option,
    logger_settings,
)
from trionet_nni.errors import InputError

if TYPE_CHECKING:
    from trionet_nni.commands.command import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "finetune",
        _run,
        "Fine-tune a network from its exported weights, and measure it.",
        "trionet finetune out/1 --data datasets/other -o out/other",
    )
    parser.add_argument("export", type=Path, help="exported folder, e.g. out/1")
    text = "instead of the network's own images: folder of class folders, or a data set's name"
    parser.add_argument("--data", help=text)
    parser.add_argument("-o", "--out", type=Path, help="with --data: folder for the new network")
    text = "with --data: side of the images in pixels (default: the network's)"
    parser.add_argument("--size", type=int, help=text)
    parser.add_argument("--weights", help="with --data: where to begin (default: the best measured)")
    add_set_option(parser, "finetune.epochs=1")
    add_logger_option(parser)
    parser.add_argument("--seed", type=int, help="of the training (default: the recipe's)")
    add_quiet_option(parser)


def _run(options: argparse.Namespace) -> int:
    _check(options)
    from trionet_nni.export.retrain import finetune, print_result
    from trionet_nni.export.transfer import transfer
    from trionet_nni.export.weights import BEST
    from trionet_nni.settings.changes import parse_changes
    from trionet_nni.training.process import prepare_process

    changes = parse_changes([*logger_settings(options, "finetune.logger"), *options.set])
    prepare_process()
    if options.data is None:
        result = finetune(options.export, seed=options.seed, progress=not options.quiet, changes=changes)
        print_result(options.export, result)
        return 0
    result = transfer(
        options.export,
        options.data,
        options.out,
        size=options.size,
        weights=options.weights or BEST,
        seed=options.seed,
        progress=not options.quiet,
        changes=changes,
    )
    print_result(options.out, result)
    return 0


def _check(options: argparse.Namespace) -> None:
    """Other images make another network, which has a folder of its own."""
    if options.data is not None and options.out is None:
        raise InputError("finetune: --data: found no -o, allowed: with -o, the folder for the new network")
    for name in ("out", "size", "weights"):
        found = getattr(options, name)
        if options.data is None and found is not None:
            raise InputError(f"finetune: --{name}: found {found} without --data, allowed: with it")
