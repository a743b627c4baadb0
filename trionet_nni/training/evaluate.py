"""Accuracy of a network on a set of images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from trionet_nni.data.images import ImageSet

BATCH = 256


@torch.inference_mode()
def accuracy(network: nn.Module, images: ImageSet, batch_size: int = BATCH) -> float:
    """Share of images, 0 to 1, whose largest logit is their class (top-1).

    Runs in evaluation mode; the mode is as before afterwards. Counted by hand: torchmetrics takes
    longer to import than a small search set to evaluate.
    """
    device = next(network.parameters()).device
    found = torch.zeros((), dtype=torch.int64, device=device)
    with _evaluating(network):
        for start in range(0, len(images), batch_size):
            rows = slice(start, min(start + batch_size, len(images)))
            logits = network(network_input(images, rows, device))
            found += (logits.argmax(1) == images.labels[rows].to(device)).sum()
    return int(found) / len(images)


def network_input(images: ImageSet, rows: slice | Tensor, device: torch.device) -> Tensor:
    """Normalized images, float32 [B, C, S, S], on a device; what crosses the bus are their bytes."""
    pixels = images.pixels(rows)
    if device.type == "cuda":
        pixels = pixels.pin_memory().to(device, non_blocking=True)
    return images.normalize(pixels)


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
