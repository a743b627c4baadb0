"""`trionet fidelity`: how well a supernet ranks networks."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from rich.console import Console

from trionet_nni.commands.command import add_command, add_quiet_option
from trionet_nni.commands.reports import add_report_options, jobs_failed, show_report

if TYPE_CHECKING:
    from trionet_nni.commands.command import Commands


def add(commands: Commands) -> None:
    """Add `fidelity`."""
    parser = add_command(
        commands,
        "fidelity",
        _run,
        "Train networks of a search from scratch; say how well the supernet ranked them (Kendall's τ).",
        "trionet fidelity ID --networks 12 --seeds 3",
    )
    parser.add_argument("experiment", help="NNI experiment id, or the experiment's folder")
    parser.add_argument("--networks", type=int, default=12, help="how many (default: 12)")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each (default: 1)")
    add_report_options(parser)
    add_quiet_option(parser)


def _run(options: argparse.Namespace) -> int:
    from trionet_nni.reproduce.fidelity import open_fidelity
    from trionet_nni.reproduce.pool import JobFailed

    console = Console()
    fidelity = open_fidelity(options.experiment, options.networks, options.seeds)
    try:
        fidelity.run(options.jobs, Console(quiet=options.quiet))
    except JobFailed as error:
        return jobs_failed(error, console)
    show_report(fidelity.report(), options.out, console)
    return 0
