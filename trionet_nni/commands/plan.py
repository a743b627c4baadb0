"""`trionet plan` on the command line."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from trionet_nni.commands.command import add_command, add_set_option

if TYPE_CHECKING:
    from trionet_nni.commands.command import Commands
    from trionet_nni.plan.plan import Plan


def add(commands: Commands) -> None:
    """Add `plan`."""
    parser = add_command(
        commands,
        "plan",
        _plan,
        "Say what an experiment will read, write and cost on this machine, from a few real steps.",
        "trionet plan experiments/quickstart.yml --set search.population=50",
    )
    parser.add_argument("experiment", type=Path, help="experiment file, e.g. experiments/quickstart.yml")
    parser.add_argument("--steps", type=int, default=3, help="measured steps of each stage (default: 3)")
    add_set_option(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object alone on standard output")


def _plan(options: argparse.Namespace) -> int:
    from trionet_nni.plan.plan import make_plan
    from trionet_nni.settings.changes import parse_changes

    plan = make_plan(options.experiment, options.steps, parse_changes(options.set))
    if options.json:
        print(json.dumps(plan.to_dict()))
    else:
        _print(plan, options.experiment)
    return 0


def _print(plan: Plan, experiment: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{experiment}, on {plan.measured.device}", show_header=False)
    for name, text in _lines(plan):
        table.add_row(name, text)
    console = Console()
    console.print(table)
    console.print(
        f"Times from a few steps of {plan.measured.batch} images each, scaled to the recipe's batches: "
        "expect them within a factor of two, on a machine as busy as it is now. Candidates that share one "
        "machine's cores take turns."
    )
    console.print(f"Next: trionet search {experiment}", soft_wrap=True, highlight=False)


def _lines(plan: Plan) -> list[tuple[str, str]]:
    measured, (low, high) = plan.measured, plan.reachable
    splits = ", ".join(f"{name} {count:,}" for name, count in plan.images.items())
    written = [f"{size / 1e6:,.1f} MB in {name}" for name, size in plan.files.items() if size]
    return [
        ("reads", f"{plan.data}{f' in {plan.root}' if plan.root else ''}: {plan.classes} classes"),
        ("images", splits),
        ("writes", "\n".join(written)),
        ("disk", f"{plan.free / 1e9:,.1f} GB free"),
        ("FLOPs in reach", f"{low:,} to {high:,}"),
        ("budget", "\n".join(
            f"{plan.lowest[limit]:,.0f} to {int(limit):,}: {100 * share:.0f} % of sampled networks meet it"
            for limit, share in plan.accepted.items()
        )),
        ("supernet", f"{plan.supernet_steps:,} steps of {_seconds(measured.step)}: "
                     f"{_hours(plan.hours['supernet'])}"),
        ("search", f"{plan.candidates:,} candidates of {_seconds(measured.candidate)}: "
                   f"{_hours(plan.hours['search'])}, {plan.workers} at a time, ranked by {plan.metric}"),
        *([("finalists", f"{plan.finalists:,} trainings, {plan.finalist_steps:,} steps in all: "
                         f"{_hours(plan.hours['finalists'])}, {plan.workers} at a time")]
          if plan.finalists else []),
        ("retraining", f"{plan.retrain_steps:,} steps of {_seconds(measured.retrain_step)}: "
                       f"{_hours(plan.hours['retraining one network'])} for one network"),
        ("memory", f"{measured.memory / 1e9:.1f} GB at the peak"),
        ("until the export", _hours(plan.duration)),
    ]  # fmt: skip


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 100 else f"{seconds:,.0f} s"


def _hours(hours: float) -> str:
    return f"{60 * hours:.0f} min" if hours < 2 else f"{hours:,.1f} hours"
