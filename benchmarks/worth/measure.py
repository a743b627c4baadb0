"""Loss and accuracy of a network, block by block of the images, so that their noise can be told."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from trionet_nni.data import ImageSet
from trionet_nni.training.evaluate import BATCH, network_input

BLOCKS = 20  # of equally many images, drawn once: the i-th block has image i, i + 20, …


@torch.inference_mode()
def measure(network: nn.Module, images: ImageSet) -> dict[str, Any]:
    """Cross entropy in nats without label smoothing, and top-1 accuracy, 0 to 1.

    Returns:
        "loss" and "accuracy" over all images; "losses" and "accuracies" of the `BLOCKS` blocks, rounded to
        what the noise of so many images leaves meaningful.
    """
    network.eval()
    losses, hits = [], []
    for start in range(0, len(images), BATCH):
        rows = slice(start, min(start + BATCH, len(images)))
        logits = network(network_input(images, rows, torch.device("cpu")))
        labels = images.labels[rows]
        losses.append(F.cross_entropy(logits, labels, reduction="none"))
        hits.append((logits.argmax(1) == labels).float())
    loss, hit = torch.cat(losses).double(), torch.cat(hits).double()
    return {
        "images": len(images),
        "loss": round(float(loss.mean()), 6),
        "accuracy": round(float(hit.mean()), 6),
        "losses": _blocks(loss),
        "accuracies": _blocks(hit),
    }


def _blocks(values: torch.Tensor) -> list[float]:
    return [round(float(values[number::BLOCKS].mean()), 4) for number in range(BLOCKS)]
