"""Accuracy of a network on a set of images."""

from __future__ import annotations

import torch
from torch import nn

from trionet_nni.data.images import ImageSet


@torch.inference_mode()
def accuracy(network: nn.Module, images: ImageSet, batch_size: int = 256) -> float:
    """Share of images, 0 to 1, whose largest logit is their class (top-1).

    Runs in evaluation mode; the mode is as before afterwards. Counted by hand: a trial
    needs less time to evaluate than to import torchmetrics.
    """
    device = next(network.parameters()).device
    correct = torch.zeros((), dtype=torch.int64, device=device)
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        for start in range(0, len(images), batch_size):
            rows = slice(start, start + batch_size)
            logits = network(images.normalized(rows).to(device))
            correct += (logits.argmax(1) == images.labels[rows].to(device)).sum()
    finally:
        for module, mode in modes.items():
            module.training = mode
    return correct.item() / len(images)
