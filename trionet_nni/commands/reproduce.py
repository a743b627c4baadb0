"""`trionet reproduce`: a table or figure of the paper, run again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from trionet_nni.commands.command import add_command, add_quiet_option
from trionet_nni.commands.reports import add_report_options, jobs_failed, show_report
from trionet_nni.errors import InputError

if TYPE_CHECKING:
    from trionet_nni.commands.command import Commands
    from trionet_nni.reproduce.jobs import Job


def add(commands: Commands) -> None:
    """Add `reproduce`."""
    parser = add_command(
        commands,
        "reproduce",
        _run,
        "Run a table or figure of the paper again: what is missing is run, what is there is used.",
        "trionet reproduce table3 fig5a --scale replica",
    )
    names = "table2 table3 table4 table5 fig4 fig5a fig5b fig6a fig6b fig7a fig7b hs mhs sandwich"
    parser.add_argument("items", nargs="+", metavar="ITEM", help=names)
    parser.add_argument(
        "--scale",
        default="replica",
        help="paper: its own size; replica: an hour on 2 cores (default); replica-long: three times that; "
        "claims: of hs, mhs and sandwich",
    )
    parser.add_argument("--seeds", type=int, default=3, help="runs of everything (default: 3)")
    parser.add_argument("--experiment", type=Path, help="instead of the scale's experiment file")
    add_report_options(parser)
    parser.add_argument("--list", action="store_true", help="only say what is there and what would be run")
    add_quiet_option(parser)


def _run(options: argparse.Namespace) -> int:
    from trionet_nni.reproduce.items import item_of
    from trionet_nni.reproduce.pool import JobFailed, run_jobs
    from trionet_nni.reproduce.scale import open_scale

    if options.seeds < 1 or options.jobs < 1:
        raise InputError(f"reproduce: --seeds {options.seeds}, --jobs {options.jobs}, allowed: 1 or more")
    scale = open_scale(options.scale, options.experiment)
    items = [item_of(name, scale, tuple(range(options.seeds))) for name in options.items]
    console = Console()
    jobs = [job for item in items for job in item.jobs()]
    if options.list:
        _list(jobs, scale.working, console)
        return 0
    try:
        run_jobs(jobs, scale.working, options.jobs, Console(quiet=options.quiet))
    except JobFailed as error:
        return jobs_failed(error, console)
    for item in items:
        show_report(item.report(), options.out, console)
    return 0


def _list(jobs: list[Job], working: Path, console: Console) -> None:
    from trionet_nni.reproduce.pool import missing

    for job in [*(job for job in jobs if job.result(working) is not None), *missing(jobs, working)]:
        state = "missing" if job.result(working) is None else "done"
        console.print(f"{state:>8}  {job.title}", soft_wrap=True, highlight=False)
