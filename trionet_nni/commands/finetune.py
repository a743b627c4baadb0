"""`trionet finetune`: train one network on from its exported weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trionet_nni.commands.command import add_command, add_set_option

if TYPE_CHECKING:
    from trionet_nni.commands.command import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "finetune", _run, "Fine-tune a network from its exported weights, and measure it."
    )
    parser.add_argument("export", type=Path, help="exported folder")
    add_set_option(parser, "finetune.epochs=1")
    parser.add_argument("--seed", type=int, help="of the training (default: the recipe's)")


def _run(options: argparse.Namespace) -> int:
    from trionet_nni.export.retrain import finetune
    from trionet_nni.settings.changes import parse_changes
    from trionet_nni.training.process import prepare_process

    changes = parse_changes(options.set)
    prepare_process()
    finetune(options.export, seed=options.seed, changes=changes)
    return 0
