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
    for logits, labels in _answers(network, images, batch_size):
        found += (logits.argmax(1) == labels).sum()
        summed += F.cross_entropy(logits.float(), labels, reduction="sum").to(summed)
    return Scores(float(summed) / len(images), int(found) / len(images))


@dataclass(frozen=True)
class Confusion:
    """What a network takes each class for.

    Attributes:
        loss: mean cross entropy in nats, as in `Scores`.
        counts: images of class r (rows) that are taken for class c (columns), int64 [classes, classes].
    """

    loss: float
    counts: Tensor

    @property
    def images(self) -> int:
        """How many were looked at."""
        return int(self.counts.sum())

    @property
    def accuracy(self) -> float:
        """Share of images, 0 to 1, on the diagonal."""
        return int(self.counts.diagonal().sum()) / self.images


@torch.inference_mode()
def confusion(network: nn.Module, images: ImageSet, classes: int, batch_size: int = BATCH) -> Confusion:
    """Loss, and which class is taken for which, in one pass over the images; see `scores`.

    Args:
        classes: of the network; the images may be of some of them.
    """
    counts = torch.zeros(classes**2, dtype=torch.int64)
    summed = 0.0
    for logits, labels in _answers(network, images, batch_size):
        pairs = labels * classes + logits.argmax(1)
        counts += torch.bincount(pairs.cpu(), minlength=classes**2)
        summed += float(F.cross_entropy(logits.float(), labels, reduction="sum"))
    return Confusion(summed / len(images), counts.view(classes, classes))


def _answers(network: nn.Module, images: ImageSet, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits [B, classes] and labels [B] of all images, on the network's device."""
    device = next(network.parameters()).device
    with _evaluating(network):
        for start in range(0, len(images), batch_size):
            rows = slice(start, min(start + batch_size, len(images)))
            yield network(network_input(images, rows, device)), images.labels[rows].to(device)


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
