"""Attention of other packages ÷ this project's, at the same shapes: above 1 ours takes less time.

torch's flex_attention computes the same function, forward pass only: torch has no backward for it on CPUs.
timm's layers are whole layers with their projections, forward and backward, and compute other functions:
see benchmarks.peers.timm_attention. The unfolded window stands in benchmarks.local_attention.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.attention_cases import BATCH, HEADS, Pass, Shape
from benchmarks.peers.flex import FlexAttention
from benchmarks.peers.timm_attention import LineAttention, halo_attention
from benchmarks.ratio import Row, arguments, interleaved, prepare, show
from trionet_nni.operators.layers.axial_attention import AxialAttention
from trionet_nni.operators.layers.local_attention import LocalAttention, local_attention
from trionet_nni.operators.layers.routes import compiled_routes, torch_route

SHAPES = (Shape(56, 64, 7), Shape(28, 128, 7), Shape(14, 256, 7), Shape(7, 512, 7))
FLEX_SHAPES = SHAPES[1:3]  # at side 56 the eager one holds all 3,136² pairs of positions


def main() -> int:
    """Print the rows."""
    options = arguments(__doc__ or "").parse_args()
    prepare(options, keep_memory=False)
    return show(_rows(options), options)


def _rows(options: argparse.Namespace) -> Iterator[Row]:
    for shape in FLEX_SHAPES:
        yield from _flex(shape, options.rounds)
    for shape in SHAPES:
        place = f"({shape.side}, {shape.width})"
        local = LocalAttention(shape.width, shape.width, shape.width, HEADS, shape.window)
        axial = AxialAttention(shape.width, shape.width, shape.width, HEADS, shape.side)
        sides = {
            "timm halo": _layer(halo_attention(shape.width, HEADS, shape.window), shape),
            "timm lines": _layer(LineAttention(shape.width, HEADS), shape),
            "local": _layer(local, shape),
            "axial": _layer(axial, shape),
        }
        times = interleaved(sides, options.rounds, warmup=1)
        yield times.row(f"timm HaloAttn ÷ local attention, layers at {shape}", "timm halo", "local")
        yield times.row(f"timm Attention on lines ÷ axial, layers at {place}", "timm lines", "axial")


def _flex(shape: Shape, rounds: int) -> Iterator[Row]:
    q, k, v = (torch.randn(BATCH, shape.width, shape.side, shape.side) for _ in range(3))
    rows, columns = (torch.randn(shape.width // HEADS, shape.window) for _ in range(2))
    r_dmm = rows[:, :, None] + columns[:, None]
    names = ("eager", "compiled")
    sides: dict[str, Callable[[], object]] = {
        name: partial(FlexAttention(shape.side, shape.window, r_dmm, name == "compiled"), q, k, v, HEADS)
        for name in names
    }
    routes = {"plain torch": torch_route(q, shape.window)} | {name: name for name in compiled_routes("cpu")}
    for name, route in routes.items():
        attend = partial(local_attention, q, k, v, rows, columns, HEADS, border="mask", route=route)
        sides[name] = torch.no_grad()(attend)
    times = interleaved(sides, min(rounds, 5), warmup=2)
    for name in names:
        for ours in routes:
            yield times.row(f"flex_attention, {name} ÷ {ours}, forward at {shape}", name, ours)


def _layer(layer: nn.Module, shape: Shape) -> Pass:
    x = torch.randn(shape.batch, shape.width, shape.side, shape.side, requires_grad=True)
    grad = torch.randn_like(x)

    def run() -> None:
        out: Tensor = layer(x)
        out.backward(grad)

    return run


if __name__ == "__main__":
    sys.exit(main())
