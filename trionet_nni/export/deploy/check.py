"""A file for another runtime beside the network that it was made of, at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from trionet_nni.data.images import ImageSet
from trionet_nni.errors import RunFailed
from trionet_nni.training.evaluate import Scores, scores

TOLERANCE = 1e-3  # of logits, as a share of the largest one
_IMAGES = 16


@dataclass(frozen=True)
class Checked:
    """How a file compares with its network.

    Attributes:
        path: the file.
        size: bytes.
        difference: largest difference of a logit on random images ÷ the largest logit.
        scores: on the test images; None where these are not at hand.
    """

    path: Path
    size: int
    difference: float
    scores: Scores | None


def check(
    network: nn.Module, other: nn.Module, path: Path, side: tuple[int, int, int], images: ImageSet | None
) -> Checked:
    """Compare a file with its network.

    Args:
        other: the file, as a network.
        side: channels, height, width of a random image.
        images: test images.
    """
    x = torch.randn(_IMAGES, *side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted, found = network(x), other(x)
    difference = float((found - wanted).abs().max() / wanted.abs().max())
    return Checked(path, path.stat().st_size, difference, None if images is None else scores(other, images))


def refuse_another(checked: Checked) -> None:
    """A file in float32 has to compute what its network does.

    Raises:
        RunFailed: it does not.
    """
    if not checked.difference <= TOLERANCE:
        raise RunFailed(
            f"{checked.path}: found logits that differ by {checked.difference:.2g} of the largest, "
            f"allowed: {TOLERANCE:g}"
        )
