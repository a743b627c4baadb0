"""`trionet retrain`: train one network from scratch."""

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
        "retrain",
        _run,
        "Train a network from scratch, measure it on the test images.",
        "trionet retrain out/1 --set retrain.epochs=1",
    )
    parser.add_argument("export", type=Path, nargs="?", help="exported folder, or its retrain.yml")
    parser.add_argument("--architecture", help="instead: an architecture file or a baseline's name")
    parser.add_argument("--experiment", type=Path, help="with --architecture: the recipe and the data")
    parser.add_argument("-o", "--out", type=Path, help="with --architecture: folder for the result")
    add_set_option(parser, "retrain.epochs=1")
    add_logger_option(parser)
    parser.add_argument("--seed", type=int, help="of the training (default: the recipe's)")
    add_quiet_option(parser)


def _run(options: argparse.Namespace) -> int:
    from trionet_nni.export.retrain import print_result, retrain, retrain_architecture
    from trionet_nni.settings.changes import parse_changes
    from trionet_nni.training.process import prepare_process

    changes = parse_changes([*logger_settings(options, "retrain.logger"), *options.set])
    prepare_process()
    if options.export is not None:
        if options.architecture or options.experiment or options.out:
            raise InputError(
                f"retrain: found a folder ({options.export}) and --architecture, --experiment or -o, "
                "allowed: one of the two"
            )
        result = retrain(options.export, seed=options.seed, progress=not options.quiet, changes=changes)
        print_result(options.export, result)
        return 0
    if not (options.architecture and options.experiment and options.out):
        raise InputError(
            "retrain: found no exported folder, allowed: one, or --architecture with --experiment and -o"
        )
    result = retrain_architecture(
        options.architecture,
        options.experiment,
        options.out,
        seed=options.seed,
        progress=not options.quiet,
        changes=changes,
    )
    print_result(options.out, result)
    return 0
