"""Tensors with memory of their own, which a kernel from outside torch may read."""

from __future__ import annotations

import torch
from torch import Tensor


def is_concrete(x: Tensor) -> bool:
    """Whether x is no stand-in, and nobody records what is done to it (torch.compile, export, a trace).

    A meta tensor is a stand-in: it has no memory.
    """
    tracing: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    real = type(x) in (Tensor, torch.nn.Parameter) and not x.is_meta
    return real and not tracing and not torch.compiler.is_compiling()
