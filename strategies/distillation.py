"""In-place distillation: the largest sub-network of a step teaches the others (Yu et al. 2020, BigNAS).

The largest is trained on the labels. What it says of the batch, softmax(z_L) without a gradient, takes the
place of the labels for all others: their loss is −Σ_c softmax(z_L)_c · log softmax(z)_c. Labels are not
mixed in, the temperature is 1, and label smoothing is not applied a second time: the teacher has learned
it (as in BigNAS and, before it, Yu and Huang 2019). In the sandwich rule's ablation the one with the most
parameters teaches.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


@contextmanager
def listening(supernet: nn.Module) -> Iterator[list[Tensor]]:
    """What every forward pass inside says: probabilities [B, classes], without a gradient, in order."""
    said: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, logits: Tensor) -> None:
        said.append(logits.detach().softmax(1))

    hook = supernet.register_forward_hook(keep)
    try:
        yield said
    finally:
        hook.remove()
