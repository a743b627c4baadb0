"""Inputs of the attention benchmarks: one forward and backward pass each, ready to be called."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.peers.unfolded_attention import unfolded_attention
from trionet_nni.operators.layers.local_attention import local_attention
from trionet_nni.operators.layers.routes import torch_route

BATCH, HEADS = 8, 8
Pass = Callable[[], None]


@dataclass(frozen=True)
class Shape:
    """A square map of `side` pixels with `width` channels, and a window."""

    side: int
    width: int
    window: int
    batch: int = BATCH

    def __str__(self) -> str:
        return f"({self.side}, {self.width}, m {self.window})"


def convolution(shape: Shape) -> Pass:
    """m × m convolution of the same width."""
    x, grad = _map(shape), _map(shape, False)
    weight = torch.randn(shape.width, shape.width, shape.window, shape.window, requires_grad=True)
    return lambda: F.conv2d(x, weight, padding=shape.window // 2).backward(grad)


def attention(shape: Shape, route: str) -> Pass:
    """Local attention by a route, by "torch" (the best one without compiled code), or by "peer"."""
    torch.manual_seed(0)
    q, k, v, grad = _map(shape), _map(shape), _map(shape), _map(shape, False)
    head = shape.width // HEADS
    rows, columns = (torch.randn(head, shape.window, requires_grad=True) for _ in range(2))
    if route == "peer":

        def peer() -> None:
            r = rows[:, :, None] + columns[:, None, :]
            unfolded_attention(q, k, v, r, HEADS).backward(grad)

        return peer
    name = torch_route(q, shape.window) if route == "torch" else route
    return lambda: local_attention(q, k, v, rows, columns, HEADS, route=name).backward(grad)  # type: ignore[arg-type]


def single_threaded(make: Callable[..., Pass], *arguments: object) -> Pass:
    """The same in a fresh process, which starts with threads of its own."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    return make(*arguments)


def _map(shape: Shape, gradient: bool = True) -> Tensor:
    size = (shape.batch, shape.width, shape.side, shape.side)
    return torch.randn(size, requires_grad=gradient)
