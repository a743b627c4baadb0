"""Loss and accuracy of a network on a set of images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trionet_nni.data.images import ImageSet

BATCH = 256


@dataclass(frozen=True)
class Scores:
    """What a network reaches on a set of images.

    Attributes:
        loss: mean cross entropy in nats, without label smoothing; the smaller the better.
        accuracy: share of images, 0 to 1, whose largest logit is their class (top-1).
    """

    loss: float
    accuracy: float


@torch.inference_mode()
def scores(network: nn.Module, images: ImageSet, batch_size: int = BATCH) -> Scores:
    """Loss and accuracy, in one pass over the images.

    Runs in evaluation mode; the mode is as before afterwards. Counted by hand: torchmetrics takes
    longer to import than a small search set to evaluate.
    """
    device = next(network.parameters()).device
    found = torch.zeros((), dtype=torch.int64, device=device)
    summed = torch.zeros((), dtype=torch.float64, device=device)
    with _evaluating(network):
        for start in range(0, len(images), batch_size):
            rows = slice(start, min(start + batch_size, len(images)))
            labels = images.labels[rows].to(device)
            logits = network(network_input(images, rows, device))
            found += (logits.argmax(1) == labels).sum()
            summed += F.cross_entropy(logits.float(), labels, reduction="sum").to(summed)
    return Scores(float(summed) / len(images), int(found) / len(images))


def accuracy(network: nn.Module, images: ImageSet, batch_size: int = BATCH) -> float:
    """Share of images, 0 to 1, whose largest logit is their class (top-1); see `scores`."""
    return scores(network, images, batch_size).accuracy


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
