"""Networks of every space as ONNX files: the largest difference between onnxruntime and torch.

    python -m benchmarks.onnx_parity [--networks 36] [--json]

Half of the files take images of any size, and are also asked for one that is not square. A difference is
one of logits, as a share of the largest of them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from strategies.hierarchical_sampling import SAMPLING
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.baselines import BASELINES
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.export.deploy.formats import save_onnx
from trionet_nni.export.deploy.onnx_network import OnnxNetwork
from trionet_nni.network.trionet import TrioNet
from trionet_nni.settings.plugins import load_table

_SPACES = (("spaces.small", 28, 1), ("spaces.tiny", 32, 3), ("spaces.trionet", 96, 3))


@dataclass(frozen=True)
class Compared:
    """One network.

    Attributes:
        size: side of the images it was made for; a file of open size is asked for others too.
        difference: the largest of all its answers.
        megabytes: of the file.
    """

    operators: str
    space: str
    size: int
    open_size: bool
    difference: float
    megabytes: float


def main() -> int:
    """Print a line a network, and the largest difference."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", type=int, default=36)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    began, found = time.monotonic(), []
    for one in compared(options.networks):
        found.append(one)
        size = "open" if one.open_size else one.size
        text = f"{one.difference:.1e}  {one.megabytes:5.1f} MB  {one.space:14} {size:>4}  {one.operators}"
        print(text, file=sys.stderr if options.json else sys.stdout, flush=True)
    worst = max(one.difference for one in found)
    if options.json:
        print(json.dumps([asdict(one) for one in found]))
    else:
        seconds = time.monotonic() - began
        print(f"{len(found)} networks in {seconds:.0f} s: largest difference {worst:.1e}")
    return 0


def compared(count: int) -> Iterator[Compared]:
    """Networks of the spaces in turn, and the hand-designed ones."""
    import numpy as np

    random = np.random.default_rng(0)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            name, size, channels = _SPACES[number % len(_SPACES)]
            network = _drawn(load_table(name), random)
            yield _compare(network, size, channels, number % 2 == 0, Path(folder) / "net.onnx")
        for network in BASELINES.values():
            yield _compare(network, 96, 3, False, Path(folder) / "net.onnx")


def _drawn(table: SpaceTable, random: object) -> Architecture:
    return SAMPLING.configuration(table, SAMPLING.operators(table, random), random)  # type: ignore[arg-type]


@torch.no_grad()
def _compare(network: Architecture, size: int, channels: int, open_size: bool, file: Path) -> Compared:
    built = TrioNet(network, classes=10, channels=channels, image_size=size)
    for module in built.modules():
        if isinstance(module, nn.BatchNorm2d):  # γ = 0 would switch every block off
            module.weight.uniform_(0.5, 1.5)
    built.train()
    built(torch.randn(8, channels, size, size))  # BN statistics other than 0 and 1
    built.eval()
    with torch.enable_grad():
        save_onnx(built, torch.zeros(2, channels, size, size), file, dynamic_size=open_size)
    other = OnnxNetwork(file)
    shapes = [(1, size, size), (3, size, size), *([(2, size + 5, size - 3)] if open_size else [])]
    differences = []
    for batch, height, width in shapes:
        x = torch.randn(batch, channels, height, width)
        wanted = built(x)
        differences.append(float((other(x) - wanted).abs().max() / wanted.abs().max()))
    megabytes = file.stat().st_size / 1e6
    return Compared(network.operators, network.space, size, open_size, max(differences), megabytes)


if __name__ == "__main__":
    sys.exit(main())
