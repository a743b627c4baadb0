"""`trionet reproduce` and `trionet fidelity` on the command line."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from rich.console import Console

from trionet_nni.errors import InputError
from trionet_nni.reproduce.jobs import Job
from trionet_nni.reproduce.report import Report


def add_reproduce(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `reproduce`."""
    text = "Run a table or figure of the paper again: what is missing is run, what is there is used."
    parser = commands.add_parser("reproduce", help=text, description=text)
    names = "table2 table3 table4 table5 fig4 fig5a fig5b fig6a fig6b fig7a fig7b"
    parser.add_argument("items", nargs="+", metavar="ITEM", help=names)
    parser.add_argument(
        "--scale",
        default="replica",
        help="paper: its own size; replica: an hour on 2 cores (default); replica-long: three times that",
    )
    parser.add_argument("--seeds", type=int, default=3, help="runs of everything (default: 3)")
    parser.add_argument("--experiment", type=Path, help="instead of the scale's experiment file")
    _add_common(parser, "docs/reproduction")
    parser.add_argument("--list", action="store_true", help="only say what is there and what would be run")
    parser.set_defaults(run=_reproduce)


def add_fidelity(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `fidelity`."""
    text = "Train networks of a search from scratch; say how well the supernet ranked them (Kendall's τ)."
    parser = commands.add_parser("fidelity", help=text, description=text)
    parser.add_argument("experiment", help="NNI experiment id, or the experiment's folder")
    parser.add_argument("--networks", type=int, default=12, help="how many (default: 12)")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each (default: 1)")
    _add_common(parser, "docs/reproduction")
    parser.set_defaults(run=_fidelity)


def _add_common(parser: argparse.ArgumentParser, out: str) -> None:
    text = "processes at a time (default: %(default)s)"
    parser.add_argument("--jobs", type=int, default=_jobs(), help=text)
    parser.add_argument("-o", "--out", type=Path, default=Path(out), help="folder (default: %(default)s)")


def _jobs() -> int:
    """A small network keeps one core busy; on a machine with cards, one job a card."""
    cards = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    return cards or os.cpu_count() or 1


def _reproduce(options: argparse.Namespace) -> int:
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
        run_jobs(jobs, scale.working, options.jobs, console)
    except JobFailed as error:
        return _failed(error, console)
    for item in items:
        _show(item.report(), options.out, console)
    return 0


def _fidelity(options: argparse.Namespace) -> int:
    from trionet_nni.reproduce.fidelity import open_fidelity
    from trionet_nni.reproduce.pool import JobFailed

    console = Console()
    fidelity = open_fidelity(options.experiment, options.networks, options.seeds)
    try:
        fidelity.run(options.jobs, console)
    except JobFailed as error:
        return _failed(error, console)
    _show(fidelity.report(), options.out, console)
    return 0


def _failed(error: Exception, console: Console) -> int:
    console.print(f"[red]{error}[/]", soft_wrap=True, highlight=False)
    console.print("What is finished is kept: the same command goes on.", highlight=False)
    return 1


def _show(report: Report, out: Path, console: Console) -> None:
    paths = report.write(out)
    console.print(paths[0].read_text(encoding="utf-8"), markup=False, highlight=False, soft_wrap=True)
    console.print(f"Written: {', '.join(map(str, paths))}", soft_wrap=True, highlight=False)


def _list(jobs: list[Job], working: Path, console: Console) -> None:
    from trionet_nni.reproduce.pool import with_needs

    for job in with_needs(jobs):
        state = "missing" if job.result(working) is None else "done"
        console.print(f"{state:>8}  {job.title}", soft_wrap=True, highlight=False)
