"""`trionet space`: what an experiment searches."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from trionet_nni.commands.command import add_command

if TYPE_CHECKING:
    from trionet_nni.commands.command import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "space",
        _run,
        "Say what an experiment searches: choices, networks, FLOPs, parameters.",
        "trionet space experiments/imagenet.yml",
    )
    parser.add_argument("experiment", type=Path, help="experiment file")
    parser.add_argument("--json", action="store_true", help="one JSON object alone on standard output")


def _run(options: argparse.Namespace) -> int:
    from trionet_nni.experiment.open import open_experiment
    from trionet_nni.report.space import print_space, space_summary

    config = open_experiment(options.experiment).config
    if options.json:
        print(json.dumps(space_summary(config)))
    else:
        print_space(config)
    return 0
