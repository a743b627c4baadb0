"""`trionet count`: parameters and FLOPs in closed form."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from trionet_nni.commands.command import add_command
from trionet_nni.errors import InputError

if TYPE_CHECKING:
    from trionet_nni.commands.command import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "count", _run, "Count parameters, multiply-accumulates and FLOPs in closed form."
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
    from trionet_nni.report.count import count, count_segmentation, default_stem

    if options.stem and not options.task:
        raise InputError(f"count: --stem: found {options.stem} without --task, allowed: with it")
    classes = 1000 if options.classes is None else options.classes
    costs = [
        count_segmentation(
            name, options.task, options.size, options.classes, options.channels, options.stem
        )
        if options.task
        else count(name, options.size, classes, options.channels)
        for name in options.networks
    ]
    for name, cost in zip(options.networks, costs, strict=True):
        if options.json:
            print(json.dumps(cost.to_dict()))
        else:
            what = f" {options.task}, {options.stem or default_stem(name)} stem" if options.task else ""
            print(f"{name}{what}: {cost.params:,} params, {cost.macs:,} MACs, {cost.flops:,} FLOPs")
    return 0
