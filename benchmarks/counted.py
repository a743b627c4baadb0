"""Counting what is reduced over processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor


class Counted:
    """In place of `torch.distributed.all_reduce`: does what it does, and notes the bytes of each call."""

    def __init__(self, reduce: Callable[..., Any]) -> None:
        self.bytes: list[int] = []
        self._reduce = reduce

    def __call__(self, tensor: Tensor, *arguments: Any, **named: Any) -> Any:
        """Reduce."""
        self.bytes.append(tensor.nbytes)
        return self._reduce(tensor, *arguments, **named)
