"""Axial attention, forward and backward, ÷ a 3 × 3 convolution of its width; its position term; memory.

python -m benchmarks.axial_attention             rows with the targets, peak memory
python -m benchmarks.axial_attention --growth docs/growth-axial.png
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.attention_cases import HEADS, Pass, Shape, convolution, single_threaded
from benchmarks.peak_memory import peak_bytes
from benchmarks.ratio import Row, arguments, interleaved, prepare, show
from trionet_nni.operators.layers.line_attention import line_attention
from trionet_nni.operators.layers.line_routes import attend_lines
from trionet_nni.operators.layers.routes import compiled_routes

LARGE = Shape(56, 64, 3)
TORCH_TARGETS = {LARGE: None, Shape(28, 128, 3): 1.3, Shape(14, 256, 3): 0.7, Shape(7, 512, 3): None}
COMPILED_TARGETS = dict(zip(TORCH_TARGETS, (1.8, 0.5, 0.2, 0.12), strict=True))
POSITION_TARGET = 1.5
MEMORY_TARGET = 8.0
DROPOUT = 0.1


def main() -> int:
    """Print the rows."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--growth", type=Path, metavar="FILE.png", help="plot time and memory against size")
    options = parser.parse_args()
    prepare(options, keep_memory=False)
    if options.growth is not None:
        return _growth(options.growth, options.rounds)
    extra: dict[str, Any] = {}
    return show(_rows(options, extra), options, extra)


def _growth(path: Path, rounds: int) -> int:
    from benchmarks.growth import BATCH, SIDES, WIDTH, Growth, plot

    maps = Growth("side", "side of the map", [Shape(side, WIDTH, 3, BATCH) for side in SIDES])
    labels = {"formula": "axial attention, stored logits"} | {name: name for name in compiled_routes("cpu")}
    return plot(path, rounds, (maps,), axial, labels)


def _rows(options: argparse.Namespace, extra: dict[str, Any]) -> Iterator[Row]:
    compiled = compiled_routes("cpu")
    for shape, target in TORCH_TARGETS.items():
        sides = {"axial": axial(shape, "formula"), "without position": axial(shape, "no position")}
        sides |= {"convolution": convolution(shape)} | {name: axial(shape, name) for name in compiled}
        sides |= {f"{name}, dropout": axial(shape, name, DROPOUT) for name in compiled}
        times = interleaved(sides, options.rounds)
        place = f"({shape.side}, {shape.width})"
        yield times.row(f"height then width ÷ 3 × 3 convolution at {place}", "axial", "convolution", target)
        case = f"with ÷ without the position term at {place}"
        yield times.row(case, "axial", "without position", POSITION_TARGET if target else None)
        for name in compiled:
            case = f"{name} ÷ 3 × 3 convolution at {place}"
            yield times.row(case, name, "convolution", COMPILED_TARGETS[shape])
            case = f"{name} with ÷ without dropout {DROPOUT} at {place}"
            yield times.row(case, f"{name}, dropout", name)
    yield from _memory(compiled, extra)


def _memory(compiled: list[str], extra: dict[str, Any]) -> Iterator[Row]:
    """Peak memory above the inputs; `extra` gets the table of all routes in MiB.

    Of one layer, whose maps are its own, and of both layers on the same queries and keys, where the sums of
    their gradients are further maps.
    """
    table = extra.setdefault("memory_mib", {})
    for shape in TORCH_TARGETS:
        for layers, axes in (("one layer", (2,)), ("both layers", (2, 3))):
            names = ["formula", *compiled]
            peaks = {name: peak_bytes(single_threaded, axial, shape, name, 0.0, axes) for name in names}
            place = f"({shape.side}, {shape.width}), {layers}"
            table[place] = {name: round(peak / 2**20, 1) for name, peak in peaks.items()}
            for name in compiled:
                ratio = peaks["formula"] / max(peaks[name], 1)
                case = f"peak memory: stored logits ÷ {name} at {place}"
                note = f"{peaks['formula'] / 2**20:.0f} MiB ÷ {peaks[name] / 2**20:.1f} MiB"
                target = MEMORY_TARGET if shape == LARGE else None
                yield Row(case, ratio, ratio, ratio, 1, target, "at least", note)


def axial(shape: Shape, route: str, dropout: float = 0.0, axes: tuple[int, ...] = (2, 3)) -> Pass:
    """Both layers on the same queries and keys: the projections between them are not the operator's."""
    torch.manual_seed(0)
    size = (shape.batch, shape.width, shape.side, shape.side)
    q, k, v = (torch.randn(size, requires_grad=True) for _ in range(3))
    table = torch.randn(shape.width // HEADS, 2 * shape.side - 1, requires_grad=True)
    grad = torch.randn(size)
    if route == "no position":
        attend = partial(line_attention, table_dO=None)
    else:
        attend = partial(attend_lines, route, table=table, dropout=dropout)

    def run() -> None:
        out: Tensor = v
        for axis in axes:
            out = attend(q, k, out, heads=HEADS, axis=axis)
        out.backward(grad)

    return run


if __name__ == "__main__":
    sys.exit(main())
