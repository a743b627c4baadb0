"""`trionet count`: parameters and FLOPs in closed form."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from trionet_nni.commands.command import add_command
from trionet_nni.errors import InputError

if TYPE_CHECKING:
    from trionet_nni.commands.command import Commands
    from trionet_nni.operators.cost import Cost


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "count",
        _run,
        "Count parameters, multiply-accumulates and FLOPs in closed form.",
        "trionet count axial-38 resnet-50 out/1/architecture.json",
    )
    parser.add_argument("networks", nargs="+", help="architecture files, or names such as resnet-50")
    parser.add_argument("--size", type=int, help="side of the image in pixels (default: the space's own)")
    parser.add_argument("--classes", type=int, help="of the classifier (default: 1000, or the task's)")
    parser.add_argument("--channels", type=int, default=3, help="of the image (default: 3)")
    parser.add_argument(
        "--task", help="semantic or panoptic: count the whole segmentation network (Table 6)"
    )
    stem = "with --task: the stem (default: deep for the ResNets, as Table 6 counts them, else plain)"
    parser.add_argument("--stem", choices=("plain", "deep"), help=stem)
    parser.add_argument("--json", action="store_true", help="one JSON object a network")


def _run(options: argparse.Namespace) -> int:
    from trionet_nni.report.count import check_count

    if options.stem and not options.task:
        raise InputError(f"count: --stem: found {options.stem} without --task, allowed: with it")
    check_count(options.size, options.classes, options.channels, options.task)
    counted = [
        _counted(name, options) for name in options.networks
    ]  # all of them, whatever is wrong with one
    return 0 if all(counted) else 2


def _counted(name: str, options: argparse.Namespace) -> bool:
    """Print what one network costs, or what is wrong with its name or file; whether it was counted."""
    try:
        cost = _cost(name, options)
    except InputError as error:
        print(f"trionet: {error}", file=sys.stderr)
        return False
    if options.json:
        print(json.dumps(cost.to_dict()))
    else:
        counts = f"{cost.params:,} params, {cost.macs:,} MACs, {cost.flops:,} FLOPs"
        print(f"{name}{_what(name, options)}: {counts}")
    return True


def _cost(name: str, options: argparse.Namespace) -> Cost:
    from trionet_nni.report.count import count, count_segmentation

    if options.task:
        return count_segmentation(
            name, options.task, options.size, options.classes, options.channels, options.stem
        )
    classes = 1000 if options.classes is None else options.classes
    return count(name, options.size, classes, options.channels)


def _what(name: str, options: argparse.Namespace) -> str:
    """Of a segmentation network, its task and stem."""
    from trionet_nni.report.count import default_stem

    return f" {options.task}, {options.stem or default_stem(name)} stem" if options.task else ""
