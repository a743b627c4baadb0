"""`trionet search`: run an experiment through nnictl, watch it, export its best networks."""

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

if TYPE_CHECKING:
    from trionet_nni.commands.command import Commands

_LOGGERS = ("supernet.recipe.logger", "retrain.logger", "finetune.logger")


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "search",
        _run,
        "Run an experiment through nnictl, watch it, export its best networks.",
        "trionet search experiments/quickstart.yml --minutes 60",
    )
    parser.add_argument("experiment", type=Path, help="experiment file, e.g. experiments/quickstart.yml")
    parser.add_argument("--port", type=int, help="of the portal (default: a free one from 8080 on)")
    parser.add_argument("--top", type=int, default=5, help="networks to export (default: 5)")
    parser.add_argument("-o", "--out", type=Path, default=Path("out"), help="their folder (default: out)")
    parser.add_argument("--minutes", type=float, help="set the schedule for so long on this machine")
    add_set_option(parser)
    add_logger_option(parser)
    parser.add_argument("--new", action="store_true", help="though one of this file is unfinished")
    text = "an earlier experiment, id or folder: what it has evaluated is not evaluated again"
    parser.add_argument("--from", dest="origin", metavar="EXPERIMENT", help=text)
    add_quiet_option(parser)


def _run(options: argparse.Namespace) -> int:
    from trionet_nni.commands.accompany import search
    from trionet_nni.settings.changes import parse_changes

    return search(
        options.experiment,
        port=options.port,
        out=options.out,
        top=options.top,
        new=options.new,
        minutes=options.minutes,
        changes=parse_changes([*logger_settings(options, *_LOGGERS), *options.set]),
        quiet=options.quiet,
        origin=options.origin,
    )
