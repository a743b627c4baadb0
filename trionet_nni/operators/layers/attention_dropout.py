"""Dropout of attention weights: a query forgets some of its keys, in training (Srivastava et al. 2014)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn


@runtime_checkable
class DropsAttention(Protocol):
    """A layer that can drop attention weights in training mode."""

    attention_dropout: float
    training: bool


def set_attention_dropout(network: nn.Module, rate: float) -> None:
    """Set the rate of every attention layer of a network; in evaluation mode it has no effect."""
    for module in network.modules():
        if isinstance(module, DropsAttention):
            module.attention_dropout = rate


def drawn_seed(device: torch.device) -> int:
    """From torch's generator of the device: what a kernel hashes its mask from, in both passes."""
    return int(torch.empty((), dtype=torch.int64, device=device).random_())


class Drop:
    """Masks that can be drawn a second time, in the same order.

    Args:
        rate: share of the weights that become 0; the others grow by 1 ÷ (1 − rate).
        device: of the weights.
    """

    def __init__(self, rate: float, device: torch.device) -> None:
        self.rate, self._device = rate, device
        self._state = self._generator_state() if rate else None

    def __call__(self, weights: Tensor) -> Tensor:
        """The weights that are left; the weights themselves at rate 0."""
        mask = self.mask(weights)
        return weights if mask is None else weights * mask

    def mask(self, like: Tensor) -> Tensor | None:
        """0 or 1 ÷ (1 − rate) for every weight; None at rate 0, where nothing is drawn."""
        if self.rate == 0:
            return None
        return torch.empty_like(like).bernoulli_(1 - self.rate).div_(1 - self.rate)

    @contextmanager
    def again(self) -> Iterator[None]:
        """Within it, masks come as they came since this was made; the generator is as before afterwards."""
        if self._state is None:
            yield
            return
        cuda = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):
            if cuda:
                torch.cuda.set_rng_state(self._state, self._device)
            else:
                torch.set_rng_state(self._state)
            yield

    def _generator_state(self) -> Tensor:
        if self._device.type == "cuda":
            return torch.cuda.get_rng_state(self._device)
        return torch.get_rng_state()
