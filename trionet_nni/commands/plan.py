"""`trionet plan` on the command line."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trionet_nni.commands.command import add_command, add_set_option
from trionet_nni.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from trionet_nni.commands.command import Commands
    from trionet_nni.plan.gpus import Elsewhere
    from trionet_nni.plan.plan import Plan
    from trionet_nni.plan.workers import Crew


def add(commands: Commands) -> None:
    """Add `plan`."""
    parser = add_command(
        commands,
        "plan",
        _plan,
        "Say what an experiment will read, write and cost, from a few real steps here or for other cards.",
        "trionet plan experiments/imagenet.yml --gpus 8 --gpu h100",
    )
    parser.add_argument("experiment", type=Path, help="experiment file, e.g. experiments/quickstart.yml")
    parser.add_argument("--steps", type=int, help="measured steps of each stage (default: 3)")
    text = "estimate for such cards instead, e.g. h100, from their data sheets; nothing is measured"
    parser.add_argument("--gpu", metavar="CARD", help=text)
    parser.add_argument("--gpus", type=int, metavar="N", help="with --gpu: how many (default: 1)")
    text = "with --gpu: images to train on, where the data are not here"
    parser.add_argument("--images", type=int, metavar="N", help=text)
    parser.add_argument("--classes", type=int, metavar="N", help="with --gpu: classes of those images")
    text = "with --gpu: GB a second between two cards that train together (default: 25, PCIe 4.0)"
    parser.add_argument("--bandwidth", type=float, metavar="GB", help=text)
    text = "say too what the search would take with N workers, each a machine of its own: simulated"
    parser.add_argument("--workers", type=int, nargs="+", metavar="N", help=text)
    add_set_option(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object alone on standard output")


def _plan(options: argparse.Namespace) -> int:
    _check(options)
    from trionet_nni.experiment.open import open_experiment
    from trionet_nni.plan.elsewhere import BANDWIDTH, Machine, plan_elsewhere
    from trionet_nni.plan.plan import STEPS, make_plan
    from trionet_nni.plan.workers import crews_of
    from trionet_nni.settings.changes import parse_changes

    changes = parse_changes(options.set)
    if options.gpu is None:
        plan = make_plan(options.experiment, STEPS if options.steps is None else options.steps, changes)
    else:
        gpus = 1 if options.gpus is None else options.gpus
        link = BANDWIDTH if options.bandwidth is None else 1e9 * options.bandwidth
        machine = Machine(options.gpu, gpus, options.images, options.classes, link)
        plan = plan_elsewhere(open_experiment(options.experiment, changes), machine)
    crews = crews_of(plan, options.workers or ())
    if options.json:
        simulated = {"simulated": [crew.to_dict() for crew in crews]} if crews else {}
        print(json.dumps({**plan.to_dict(), **simulated}))
    else:
        _print(plan, options.experiment, crews)
    return 0


def _check(options: argparse.Namespace) -> None:
    """What is measured here and what is estimated for elsewhere have options of their own."""
    for name in ("gpus", "images", "classes", "bandwidth"):
        found = getattr(options, name)
        if options.gpu is None and found is not None:
            raise InputError(f"plan: --{name}: found {found} without --gpu, allowed: with it")
    if options.gpu is not None and options.steps is not None:
        raise InputError(f"plan: --steps: found {options.steps} with --gpu, allowed: without it")


def _print(plan: Plan, experiment: Path, crews: Sequence[Crew]) -> None:
    from rich.console import Console
    from rich.table import Table

    there = plan.elsewhere
    where = f"on {plan.measured.device}"
    if there is not None:
        where = f"estimate for {there.count} × {there.gpu.name}"
    table = Table(title=f"{experiment}, {where}", show_header=False)
    for name, text in _lines(plan):
        table.add_row(name, text)
    console = Console()
    console.print(table)
    if crews:
        _print_crews(console, plan, crews)
    if there is not None:
        _print_assumptions(console, plan, there)
        return
    console.print(
        f"Times from a few steps of {plan.measured.batch} images each, scaled to the recipe's batches: "
        "expect them within a factor of two, on a machine as busy as it is now. Trials that share "
        "one machine's cores have their part of them each."
    )
    console.print(f"Next: trionet search {experiment}", soft_wrap=True, highlight=False)


def _print_crews(console: Console, plan: Plan, crews: Sequence[Crew]) -> None:
    """The search alone, by so many workers."""
    from rich.table import Table

    from trionet_nni.plan.workers import STORE

    table = Table(title=f"{plan.candidates:,} candidates, each worker a machine of its own, simulated")
    for name in ("workers", "search", "candidates a minute", "workers compute", "most of the rest"):
        table.add_column(name, justify="left" if name.startswith("most") else "right")
    for crew in crews:
        share = f"{100 * crew.busy['evaluators']:.0f} %"
        rate = f"{crew.per_minute:,.1f}"
        table.add_row(f"{crew.workers:,}", _hours(crew.hours), rate, share, crew.what)
    console.print(table)
    console.print(
        f"One NNI manager, with the overheads that docs/scale.md measured; each worker first reads "
        f"{plan.loaded_bytes / 1e6:,.0f} MB, all together {STORE / 1e9:g} GB a second.",
        highlight=False,
    )


def _print_assumptions(console: Console, plan: Plan, there: Elsewhere) -> None:
    """What the estimate rests on, what it leaves open, and cards that would stand idle."""
    for title, sentences in (("Assumed:", there.assumed), ("Not known:", there.unknown)):
        console.print(title, *(f"  - {text}" for text in sentences), sep="\n", highlight=False)
    console.print(
        "Nothing was measured. For ResNet-50 such estimates are within a factor of two of published rates; "
        "trionet plan without --gpu measures, on the machine itself."
    )
    if there.idle:
        options = " ".join(f"--set {change}" for change in there.idle)
        text = f"The search would use {plan.workers} of {there.count} cards. All of them: {options}"
        console.print(text, soft_wrap=True, highlight=False)


def _lines(plan: Plan) -> list[tuple[str, str]]:
    measured, (low, high) = plan.measured, plan.reachable
    splits = ", ".join(f"{name} {count:,}" for name, count in plan.images.items())
    written = [f"{size / 1e6:,.1f} MB in {name}" for name, size in plan.files.items() if size]
    return [
        ("reads", f"{plan.data}{f' in {plan.root}' if plan.root else ''}: {plan.classes} classes"),
        ("images", splits),
        ("writes", "\n".join(written)),
        *([("disk", f"{plan.free / 1e9:,.1f} GB free")] if plan.free is not None else []),
        ("FLOPs in reach", f"{low:,} to {high:,}"),
        ("budget", "\n".join(
            f"{plan.lowest[limit]:,.0f} to {int(limit):,}: {100 * share:.0f} % of sampled networks meet it"
            for limit, share in plan.accepted.items()
        )),
        ("supernet", f"{plan.supernet_steps:,} steps of {_seconds(measured.step)}: "
                     f"{_hours(plan.hours['supernet'])}"),
        ("search", f"{plan.candidates:,} candidates of {_seconds(measured.candidate)}: "
                   f"{_elapsed(plan, 'search')}, ranked by {plan.metric}"),
        *([("finalists", f"{plan.finalists:,} trainings, {plan.finalist_steps:,} steps in all"
                         f"{_share(plan)} of {_seconds(measured.finalist_step)}: "
                         f"{_elapsed(plan, 'finalists')}")]
          if plan.finalists else []),
        ("retraining", f"{plan.retrain_steps:,} steps of {_seconds(measured.retrain_step)}: "
                       f"{_hours(plan.hours['retraining one network'])} for one network"),
        ("memory", f"{measured.memory / 1e9:.1f} GB at the peak{' of a card' if plan.elsewhere else ''}"),
        ("until the export", _hours(plan.duration)),
    ]  # fmt: skip


def _elapsed(plan: Plan, stage: str) -> str:
    """By the clock, and what it would be one after the other where several work at the same time."""
    if plan.workers == 1:
        return _hours(plan.elapsed[stage])
    clock, alone = _hours(plan.elapsed[stage]), _hours(plan.hours[stage])
    return f"{clock}, {plan.workers} at a time ({alone} one after the other)"


def _share(plan: Plan) -> str:
    """How long a finalist's training is, and whether that is too short."""
    from trionet_nni.plan.affordable import LEAST_SHARE

    share = plan.finalist_steps / plan.finalists / plan.retrain_steps
    warning = ", too short to rank networks" if share < LEAST_SHARE else ""
    return f" (each {100 * share:.0f} % of a retraining{warning})"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 100 else f"{seconds:,.0f} s"


def _hours(hours: float) -> str:
    if hours < 1 / 60:
        return f"{3600 * hours:.0f} s"
    return f"{60 * hours:.0f} min" if hours < 2 else f"{hours:,.1f} hours"
