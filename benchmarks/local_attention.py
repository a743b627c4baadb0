"""Local attention, forward and backward, ÷ a convolution of the same window and width.

python -m benchmarks.local_attention             rows with the targets, peers, peak memory
python -m benchmarks.local_attention --routes    every route at every shape: what `ops.routes` chooses by
python -m benchmarks.local_attention --growth docs/growth.png
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.attention_cases import Shape, attention, convolution, single_threaded
from benchmarks.peak_memory import peak_bytes
from benchmarks.ratio import Row, arguments, interleaved, prepare, show
from trionet_nni.operators.layers.routes import ROUTES, compiled_routes
from trionet_nni.training.process import keep_freed_memory

LARGE, MIDDLE, SMALL, LEAST = Shape(56, 64, 7), Shape(28, 128, 7), Shape(14, 256, 7), Shape(7, 512, 7)
TORCH_TARGETS = {LARGE: 1.9, MIDDLE: 0.8, SMALL: 0.35, LEAST: 0.1}
COMPILED_TARGETS = {LARGE: 0.5, MIDDLE: 0.2, SMALL: 0.1, LEAST: 0.06}
PEER_TARGETS = {MIDDLE: 6.0, SMALL: 8.0}
MEMORY_TARGET = 10.0
_NOT_BUILT = "the compiled kernel was not built: make native"


def main() -> int:
    """Run what the options ask for."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--routes", action="store_true", help="every route at every shape, without targets")
    parser.add_argument("--growth", type=Path, metavar="FILE.png", help="plot time and memory against size")
    options = parser.parse_args()
    prepare(options, keep_memory=False)
    if options.growth is not None:
        return _growth(options.growth, options.rounds)
    extra: dict[str, Any] = {}
    return show(_routes(options) if options.routes else _rows(options, extra), options, extra)


def _growth(path: Path, rounds: int) -> int:
    from benchmarks.growth import BATCH, SIDES, WIDTH, Growth, plot

    maps = Growth("side", "side of the map, window 7", [Shape(side, WIDTH, 7, BATCH) for side in SIDES])
    windows = Growth(
        "window", "window, map 28 × 28", [Shape(28, WIDTH, m, BATCH) for m in (3, 5, 7, 9, 11)]
    )
    labels = {"torch": "local attention, plain torch", "peer": "local attention, unfolded windows"}
    labels |= {name: name for name in compiled_routes("cpu")}
    return plot(path, rounds, (maps, windows), attention, labels)


def _rows(options: argparse.Namespace, extra: dict[str, Any]) -> Iterator[Row]:
    compiled = compiled_routes("cpu")
    for shape, target in TORCH_TARGETS.items():
        sides = {"torch": attention(shape, "torch"), "convolution": convolution(shape)}
        sides |= {name: attention(shape, name) for name in compiled}
        if shape in PEER_TARGETS:
            sides["peer"] = attention(shape, "peer")
        times = interleaved(sides, options.rounds, warmup=1)
        yield times.row(f"plain torch ÷ convolution at {shape}", "torch", "convolution", target)
        for name in compiled:
            case = f"{name} ÷ convolution at {shape}"
            yield times.row(case, name, "convolution", COMPILED_TARGETS[shape])
        if shape in PEER_TARGETS:
            case = f"unfolded windows ÷ plain torch at {shape}"
            yield times.row(case, "peer", "torch", PEER_TARGETS[shape], bound="at least")
    if not compiled:
        print(_NOT_BUILT, file=sys.stderr)
    yield from _memory(extra)
    if keep_freed_memory():
        yield from _with_kept_memory(options.rounds)


def _with_kept_memory(rounds: int) -> Iterator[Row]:
    """The peers where malloc keeps what is freed, as in trials: it saves half of their time."""
    for shape in PEER_TARGETS:
        sides = {name: attention(shape, name) for name in ("peer", "torch")}
        times = interleaved(sides, rounds, warmup=2)
        case = f"unfolded windows ÷ plain torch at {shape}, freed memory kept"
        note = "from here on, malloc keeps what is freed, as in the project's trials"
        yield times.row(case, "peer", "torch", note=note)


def _memory(extra: dict[str, Any]) -> Iterator[Row]:
    """Peak memory above the inputs; `extra` gets the table of all routes in MiB."""
    table = extra.setdefault("memory_mib", {})
    for shape in TORCH_TARGETS:
        names = ["torch", *compiled_routes("cpu"), "window", "peer"]
        peaks = {name: peak_bytes(single_threaded, attention, shape, name) for name in names}
        table[str(shape)] = {name: round(peak / 2**20, 1) for name, peak in peaks.items()}
        for name in ("torch", *compiled_routes("cpu")):
            target = MEMORY_TARGET if name == "torch" and shape in PEER_TARGETS else None
            ratio = peaks["peer"] / max(peaks[name], 1)
            label = "plain torch" if name == "torch" else name
            case = f"peak memory: unfolded windows ÷ {label} at {shape}"
            note = f"{peaks['peer'] / 2**20:.0f} MiB ÷ {peaks[name] / 2**20:.1f} MiB"
            yield Row(case, ratio, ratio, ratio, 1, target, "at least", note)


def _routes(options: argparse.Namespace) -> Iterator[Row]:
    shapes = (*TORCH_TARGETS, Shape(56, 64, 3), Shape(28, 128, 3), Shape(20, 128, 7), Shape(14, 256, 3))
    names = [
        name
        for name in ROUTES
        if name in compiled_routes("cpu") or name in ("window", "dense", "halo", "shift")
    ]
    for shape in shapes:
        sides = {name: attention(shape, name) for name in names if name != "dense" or shape.side <= 28}
        times = interleaved({**sides, "convolution": convolution(shape)}, min(options.rounds, 5), warmup=1)
        for name in sides:
            yield times.row(f"{name} ÷ convolution at {shape}", name, "convolution")


if __name__ == "__main__":
    sys.exit(main())
