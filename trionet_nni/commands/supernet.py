"""`trionet supernet`: train an experiment's supernet outside of nnictl, on one device or with torchrun."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from trionet_nni.commands.command import add_command, add_logger_option, add_set_option, logger_settings

if TYPE_CHECKING:
    from trionet_nni.commands.command import Commands
    from trionet_nni.supernet.curve import Point

_HELP = (
    "experiment file, e.g. experiments/imagenet.yml; on several hosts that share its folder, start on each "
    "of them: torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 "
    "-m trionet_nni.cli supernet FILE"
)


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "supernet",
        _run,
        "Train an experiment's supernet here, or go on with it; a search of the same file finds it.",
        "trionet supernet experiments/imagenet.yml --set supernet.devices=8",
    )
    parser.add_argument("experiment", type=Path, help=_HELP)
    add_set_option(parser, "supernet.devices=8")
    add_logger_option(parser)


def _run(options: argparse.Namespace) -> int:
    from trionet_nni.data import opened_once
    from trionet_nni.experiment.check import check_experiment
    from trionet_nni.experiment.open import open_experiment
    from trionet_nni.settings.changes import parse_changes
    from trionet_nni.supernet.train import ensure_supernet, supernet_directory
    from trionet_nni.training.loop import quiet
    from trionet_nni.training.share import this_share

    changes = parse_changes([*logger_settings(options, "supernet.recipe.logger"), *options.set])
    with opened_once(), quiet():
        checked = check_experiment(open_experiment(options.experiment, changes))
        directory = supernet_directory(checked.working, checked.config)
        first = this_share().rank == 0
        if first:
            print(f"Supernet: {directory}", flush=True)
        ensure_supernet(checked.config, directory, checked.working / "cache", _print_point)
    if first:
        settings = [part for change in changes for part in ("--set", str(change))]
        print(f"Next: {shlex.join(['trionet', 'search', str(options.experiment), *settings])}")
    return 0


def _print_point(point: Point) -> None:
    values = (f"{name} {value:.4f}" for name, value in point.items() if name not in ("step", "default"))
    print(f"step {int(point['step'])}, largest network of each operator: {', '.join(values)}", flush=True)
