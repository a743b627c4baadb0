"""`trionet pareto`: the networks of an experiment that no other one beats."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from trionet_nni.commands.command import add_command

if TYPE_CHECKING:
    from trionet_nni.commands.command import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "pareto",
        _run,
        "Show the networks of an experiment that no other one beats.",
        "trionet pareto ID",
    )
    parser.add_argument("experiment", help="NNI experiment id, or the experiment's folder")
    parser.add_argument("--json", action="store_true", help="one JSON object a network, cheapest first")


def _run(options: argparse.Namespace) -> int:
    from trionet_nni.report.pareto import pareto, print_pareto

    front = pareto(options.experiment)
    if options.json:
        for result in front:
            print(json.dumps(result.to_dict()))
    else:
        print_pareto(front)
    return 0
