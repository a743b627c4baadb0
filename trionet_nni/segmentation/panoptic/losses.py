"""The loss of Panoptic-DeepLab (Cheng et al., CVPR 2020, section 3.3).

L = λ_sem L_sem + λ_heat L_heat + λ_offset L_offset      with λ = 1, 200, 0.01
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from trionet_nni.segmentation.panoptic.model import Prediction
from trionet_nni.segmentation.panoptic.panoptic import IGNORE
from trionet_nni.segmentation.panoptic.targets import Targets

HARDEST = 0.2  # share of the pixels that train the semantic map
HEAT_WEIGHT = 200.0
OFFSET_WEIGHT = 0.01


class Losses(NamedTuple):
    """The three parts of the loss, already weighted."""

    semantic: Tensor
    centre: Tensor
    offset: Tensor

    @property
    def total(self) -> Tensor:
        """The sum of the weighted parts, a scalar: what training minimizes."""
        return self.semantic + self.centre + self.offset


def panoptic_loss(prediction: Prediction, targets: Targets) -> Losses:
    """The three parts, each a mean over the pixels that have a target, of the whole batch."""
    heat = (prediction.centre - targets.centre) ** 2
    way = (prediction.offset - targets.offset).abs().sum(1)
    return Losses(
        semantic=bootstrapped_cross_entropy(prediction.semantic, targets.semantic, targets.semantic_weight),
        centre=HEAT_WEIGHT * _mean(heat, targets.centre_weight),
        offset=OFFSET_WEIGHT * _mean(way, targets.offset_weight),
    )


def bootstrapped_cross_entropy(
    logits: Tensor, labels: Tensor, weight: Tensor, share: float = HARDEST
) -> Tensor:
    """Mean of the largest weighted pixel losses (Yang et al., DeeperLab, arXiv:1902.05093, section 3.5).

    Args:
        logits: [B, C, H, W].
        labels: int64 [B, H, W]; 255 is left out.
        weight: of every pixel, [B, H, W].
        share: of all pixels of the batch, at least one pixel.
    """
    losses = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="none") * weight
    hardest = max(1, int(share * losses.numel()))
    return losses.flatten().topk(hardest, sorted=False).values.mean()


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean; 0 where nothing has a weight."""
    return (values * weight).sum() / torch.clamp(weight.sum(), min=1)
