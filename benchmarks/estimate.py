"""What `trionet plan --gpu` would say of this processor, against what its passes really take.

`python -m benchmarks.estimate`: forward and backward of networks of one operator, and of sampled ones.
Measured ÷ estimated, where the processor's rates are measured (a copy, a matrix product) and the share of
them that a pass reaches is the one that every estimate assumes: 1 is a perfect guess.
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Iterator

import torch
from torch import nn

from benchmarks.ratio import Row, Timings, arguments, interleaved, prepare, show
from benchmarks.roofline import measured_rates
from spaces import small
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.baselines import BASELINES
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.network.trionet import TrioNet
from trionet_nni.plan.estimate import SHARE
from trionet_nni.plan.floor import Rates, floor_of

_SMALL = (32, 28)  # images of a batch, and their side in pixels
_LARGE = (4, 224)


def main() -> int:
    """Run it."""
    options = arguments(__doc__).parse_args()
    prepare(options)
    return show(rows(options), options)


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """One for each network."""
    found = measured_rates(torch.device("cpu"), torch.float32, 200, 1024)
    rates = Rates(SHARE * found.bytes, SHARE * found.flops)
    for name in ("resnet-26", "local-26", "axial-26"):
        yield _row(name, BASELINES[name], _LARGE, rates, options.rounds)
    for operator in small.TABLE.operator_names:
        network = _largest(small.TABLE, operator)
        yield _row(f"largest {operator} of spaces.small", network, _SMALL, rates, options.rounds)


def _largest(table: SpaceTable, operator: str) -> Architecture:
    stages = tuple((table.choices(operator).largest,) * max(depths) for depths in table.depths)
    return Architecture(table.space, stages)


def _row(case: str, network: Architecture, size: tuple[int, int], rates: Rates, rounds: int) -> Row:
    batch, side = size
    built: nn.Module = TrioNet(network, classes=10, channels=3, image_size=side)
    shape = (batch, 3, side, side)
    floor = floor_of(copy.deepcopy(built), shape, torch.float32, rates)
    built = built.to(memory_format=torch.channels_last)
    images = torch.randn(shape).contiguous(memory_format=torch.channels_last).requires_grad_()

    def both_passes() -> None:
        built(images).sum().backward()

    seconds = interleaved({"run": both_passes}, rounds=rounds).seconds["run"]
    timings = Timings({"run": seconds, "estimate": (floor.seconds,) * len(seconds)})
    note = f"{1e3 * timings.median('run'):.0f} ms measured, {1e3 * floor.seconds:.0f} ms estimated"
    return timings.row(f"{case}, {batch} × {side} pixels", "run", "estimate", note=note)


if __name__ == "__main__":
    sys.exit(main())
