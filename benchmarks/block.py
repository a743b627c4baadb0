"""A whole residual block with attention ÷ one with a 3 × 3 convolution of equal expansion.

Forward and backward in training mode: both projections, all BN layers, the shortcut. Rows with a target
are the blocks of ResNet and Local-26 / 38 / 50, whose inner widths are 64 to 512 as in
benchmarks.local_attention; the blocks of the search space are half as wide.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

import torch

from benchmarks.attention_cases import BATCH, HEADS
from benchmarks.ratio import Row, arguments, interleaved, prepare, show
from trionet_nni.architecture.architecture import Block
from trionet_nni.network.trionet import ResidualBlock
from trionet_nni.operators.axial import Axial
from trionet_nni.operators.conv import Conv
from trionet_nni.operators.layers.axial_attention import AxialAttention
from trionet_nni.operators.layers.local_attention import LocalAttention
from trionet_nni.operators.layers.routes import compiled_routes, torch_route
from trionet_nni.operators.local import Local
from trionet_nni.operators.place import Place

EXPANSION = 0.25
TORCH_TARGETS = {56: 4.5, 28: 2.5, 14: 1.7, 7: 1.3}  # side of the map, as in the four stages at 224 pixels
COMPILED_TARGET = 1.5
BASELINE_WIDTHS = {56: 256, 28: 512, 14: 1024, 7: 2048}
AXIAL_TARGETS = {56: 2.5, 28: 1.2, 14: 1.0, 7: 0.8}  # compiled, at the narrow widths of the search space
SPACE_WIDTHS = {56: 128, 28: 256, 14: 512, 7: 1024}


def main() -> int:
    """Print the rows."""
    options = arguments(__doc__ or "").parse_args()
    prepare(options, keep_memory=False)
    return show(_rows(options), options)


def _rows(options: argparse.Namespace) -> Iterator[Row]:
    for side, width in BASELINE_WIDTHS.items():
        yield from _compared(side, width, options.rounds, TORCH_TARGETS[side], COMPILED_TARGET)
    for side, width in SPACE_WIDTHS.items():
        yield from _compared(side, width, max(3, options.rounds // 2), None, None, AXIAL_TARGETS[side])


def _compared(
    side: int,
    width: int,
    rounds: int,
    torch_target: float | None,
    compiled_target: float | None,
    axial_target: float | None = None,
) -> Iterator[Row]:
    local, compiled = Local(EXPANSION, 7, 1.0, 1.0, HEADS), compiled_routes("cpu")
    axial = Axial(EXPANSION, 1.0, 1.0, HEADS)
    sides = {
        "convolution": _pass(Conv(EXPANSION, 3), side, width),
        "torch": _pass(local, side, width, "torch"),
        "axial": _pass(axial, side, width, "formula"),
        **{f"axial, {route}": _pass(axial, side, width, route) for route in compiled},
        **{route: _pass(local, side, width, route) for route in compiled},
    }
    times = interleaved(sides, rounds)
    place = f"{side} × {side}, {width} channels"
    yield times.row(f"local-7 ÷ conv-3 block, plain torch, {place}", "torch", "convolution", torch_target)
    for route in compiled:
        case = f"local-7 ÷ conv-3 block, {route}, {place}"
        yield times.row(case, route, "convolution", compiled_target)
    yield times.row(f"axial ÷ conv-3 block, {place}", "axial", "convolution")
    for route in compiled:
        case = f"axial ÷ conv-3 block, {route}, {place}"
        yield times.row(case, f"axial, {route}", "convolution", axial_target)


def _pass(block: Block, side: int, width: int, route: str = "auto") -> Callable[[], None]:
    module = ResidualBlock(block, Place(width, width, side, 1)).train()
    # Channels-last, as the stem hands its map on.
    x, grad = (
        torch.randn(BATCH, width, side, side).to(memory_format=torch.channels_last) for _ in range(2)
    )
    x.requires_grad_()
    if isinstance(module.operator, LocalAttention):
        module.operator.route = torch_route(x, 7) if route == "torch" else route  # type: ignore[assignment]
    if isinstance(module.operator, AxialAttention):
        for layer in (module.operator.height, module.operator.width):
            layer.route = route  # type: ignore[assignment]
    return lambda: module(x).backward(grad)


if __name__ == "__main__":
    sys.exit(main())
