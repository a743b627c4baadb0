"""BN statistics of a sub-network, which it cannot inherit from a supernet (docs/paper-choices.md)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from trionet_nni.data.images import ImageSet
from trionet_nni.training.evaluate import BATCH, network_input


def batch_norms(network: nn.Module) -> Iterator[nn.BatchNorm2d]:
    """Every layer whose running statistics a sub-network cannot inherit."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            yield module


@torch.no_grad()  # not inference mode: the network may be trained afterwards
def recalibrate(network: nn.Module, images: ImageSet, batch_size: int = BATCH) -> None:
    """Replace the running statistics of every BN by their average over `images`, in one pass.

    The images are read in order and in batches of nearly equal size; each batch weighs what it holds.
    BN layers see batch statistics during the pass, everything else is in evaluation mode. Modes and
    momenta are as before afterwards. A module with an attribute `track_statistics` (a supernet's block)
    has it set during the pass.
    """
    device = next(network.parameters()).device
    count = -(-len(images) // batch_size)
    seen = 0
    with _collecting(network) as layers:
        for rows in torch.arange(len(images)).tensor_split(count):
            seen += len(rows)
            for layer in layers:
                layer.momentum = len(rows) / seen  # running average = average of all batches so far
            network(network_input(images, rows, device))


@contextmanager
def _collecting(network: nn.Module) -> Iterator[list[nn.BatchNorm2d]]:
    """BN layers reset and in training mode, all else in evaluation mode; restored at the end."""
    modes = {module: module.training for module in network.modules()}
    layers = list(batch_norms(network))
    momenta = [layer.momentum for layer in layers]
    trackers = [module for module in network.modules() if hasattr(module, "track_statistics")]
    network.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.train()
    for tracker in trackers:
        tracker.track_statistics = True  # type: ignore[assignment]
    try:
        yield layers
    finally:
        for tracker in trackers:
            tracker.track_statistics = False  # type: ignore[assignment]
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        for module, mode in modes.items():
            module.training = mode
