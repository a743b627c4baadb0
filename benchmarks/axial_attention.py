"""Axial attention, forward and backward, ÷ a 3 × 3 convolution of the same width; its position term."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.attention_cases import HEADS, Shape, convolution
from benchmarks.ratio import Row, arguments, interleaved, prepare, show
from trionet_nni.operators.layers.line_attention import line_attention

CASES = (
    (Shape(56, 64, 3), None),
    (Shape(28, 128, 3), 1.3),
    (Shape(14, 256, 3), 0.7),
    (Shape(7, 512, 3), None),
)
POSITION_TARGET = 1.5


def main() -> int:
    """Print the rows."""
    options = arguments(__doc__ or "").parse_args()
    prepare(options, keep_memory=False)
    return show(_rows(options), options)


def _rows(options: argparse.Namespace) -> Iterator[Row]:
    for shape, target in CASES:
        inputs = _inputs(shape)
        times = interleaved(
            {
                "axial": lambda inputs=inputs: _both_axes(*inputs),
                "without position": lambda inputs=inputs: _both_axes(*inputs[:3], None, inputs[4]),
                "convolution": convolution(shape),
            },
            options.rounds,
        )
        place = f"({shape.side}, {shape.width})"
        yield times.row(f"height then width ÷ 3 × 3 convolution at {place}", "axial", "convolution", target)
        case = f"with ÷ without the position term at {place}"
        yield times.row(case, "axial", "without position", POSITION_TARGET if target else None)


def _inputs(shape: Shape) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    size = (shape.batch, shape.width, shape.side, shape.side)
    q, k, v = (torch.randn(size, requires_grad=True) for _ in range(3))
    table = torch.randn(shape.width // HEADS, 2 * shape.side - 1, requires_grad=True)
    return q, k, v, table, torch.randn(size)


def _both_axes(q: Tensor, k: Tensor, v: Tensor, table: Tensor | None, grad: Tensor) -> None:
    """Both layers on the same queries and keys: the projections between them are not the operator's."""
    out = v
    for axis in (2, 3):
        out = line_attention(q, k, out, table, HEADS, axis)
    out.backward(grad)


if __name__ == "__main__":
    sys.exit(main())
