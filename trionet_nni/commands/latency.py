"""`trionet latency`: how long networks take, here, side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trionet_nni.commands.command import add_command
from trionet_nni.errors import InputError

if TYPE_CHECKING:
    from trionet_nni.commands.command import Commands

_BACKENDS = ("torch", "compile", "onnxruntime")


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "latency",
        _run,
        "Time networks on this machine's CPU, side by side.",
        "trionet latency out/1 resnet-18 --backend onnxruntime --batch 1 32",
    )
    text = "exported folders, architecture files, or names such as resnet-18"
    parser.add_argument("networks", nargs="*", help=text)
    text = "what computes them (default: %(default)s; onnxruntime needs the extra [onnx])"
    parser.add_argument("--backend", choices=_BACKENDS, default="torch", help=text)
    text = "images at once; several are measured one beside the other (default: 1)"
    parser.add_argument("--batch", type=int, nargs="+", default=[1], help=text)
    parser.add_argument("--threads", type=int, default=1, help="of one pass (default: 1)")
    text = "how long to measure each network and batch (default: %(default)g)"
    parser.add_argument("--seconds", type=float, default=3.0, help=text)
    text = "time every candidate block of an experiment's space instead, for search.budget; resumable"
    parser.add_argument("--table", type=Path, metavar="FILE", help=text)
    text = "with --table: the experiment file whose space, image size and classes it is for"
    parser.add_argument("--experiment", type=Path, help=text)
    text = "with --table: then time networks that it has not seen, and compare"
    parser.add_argument("--check", action="store_true", help=text)
    parser.add_argument("--json", action="store_true", help="one JSON object a network and batch")


def _run(options: argparse.Namespace) -> int:
    _check(options)
    import torch

    from trionet_nni.training.process import prepare_process

    prepare_process()
    torch.set_num_threads(options.threads)
    return _networks(options) if options.table is None else _table(options)


def _check(options: argparse.Namespace) -> None:
    for field, values in (("--batch", options.batch), ("--threads", [options.threads])):
        if min(values) < 1:
            raise InputError(f"{field}: found {min(values)}, allowed: a positive number")
    if not 0 < options.seconds < float("inf"):
        raise InputError(f"--seconds: found {options.seconds:g}, allowed: a positive number")
    if (options.table is None) != (options.experiment is None):
        raise InputError("--table: found without --experiment, allowed: both or neither")
    if (options.table is None) != bool(options.networks):
        raise InputError("latency: found neither networks nor --table, or both, allowed: one of them")
    if options.check and options.table is None:
        raise InputError("--check: found without --table, allowed: with it")
    if options.table is not None and (options.backend == "compile" or len(options.batch) > 1):
        raise InputError(
            "--table: found --backend compile or several batches, allowed: torch or onnxruntime, one batch"
        )


def _table(options: argparse.Namespace) -> int:
    from trionet_nni.architecture.cost import CostModel
    from trionet_nni.experiment.check import prepare
    from trionet_nni.experiment.open import open_experiment
    from trionet_nni.export.deploy.block_latencies import Conditions, check_table, measure_table

    experiment = open_experiment(options.experiment)
    task = prepare(experiment.config, experiment.working / "cache")
    assert isinstance(task.cost, CostModel)
    conditions = Conditions(task.table, task.cost, options.backend, options.batch[0], options.threads)
    table = measure_table(conditions, options.table)
    print(f"{options.table}: {len(table.file.blocks)} blocks on {table.file.machine}")
    if options.check:
        found = check_table(table, conditions)
        networks = len(found.measured)
        print(f"{networks} other networks: median error {found.error:.1%}, Kendall's τ {found.tau:.3f}")
    print(f"Next, in the experiment: search.budget: {{latency_ms: …, table: {options.table}}}")
    return 0


def _networks(options: argparse.Namespace) -> int:
    from trionet_nni.export.deploy.latency import as_json, latency, print_latencies
    from trionet_nni.export.models import create_model
    from trionet_nni.report.compare import look_at

    looked = {name: look_at(name) for name in options.networks}
    networks = {name: (create_model(name), one.input) for name, one in looked.items()}
    found = latency(networks, options.batch, backend=options.backend, seconds=options.seconds)
    if options.json:
        print(as_json(found, backend=options.backend, threads=options.threads))
    else:
        about = {name: (f"{one.cost.flops / 1e6:,.1f}", one.accuracy) for name, one in looked.items()}
        print_latencies(found, about, options.backend)
    return 0
