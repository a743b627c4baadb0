"""Panoptic quality as COCO's panoptic task defines it (Kirillov et al., Panoptic Segmentation, CVPR 2019).

    PQ = Σ_TP IoU ÷ (TP + ½ FP + ½ FN) of a class; the mean over all classes that occur

A predicted and a true segment of one class match where IoU > 0.5. Void pixels of the truth are taken out of
the union. True crowd segments neither match nor are missed. A predicted segment without a match is no false
positive where more than half of it lies on void and on crowds of its class.

torchmetrics' PanopticQuality knows no crowds, and takes void pixels of a *prediction* out of the union and
out of the misses; both differ from COCO's numbers. Only its `Metric`, which adds up over devices, is used.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from trionet_nni.segmentation.panoptic.panoptic import Panoptic


class CocoPanopticQuality(Metric):
    """PQ, SQ and RQ of things and stuff, in percent.

    Args:
        things: whether a label is a thing, bool [N].
        options: of torchmetrics' `Metric`.
    """

    full_state_update = False
    iou: Tensor
    true_positives: Tensor
    false_positives: Tensor
    false_negatives: Tensor

    def __init__(self, things: Tensor, **options: Any) -> None:
        super().__init__(**options)
        self.things = things.cpu()
        for name in ("iou", "true_positives", "false_positives", "false_negatives"):
            kind = torch.float64 if name == "iou" else torch.int64
            self.add_state(name, torch.zeros(len(things), dtype=kind), dist_reduce_fx="sum")

    def update(self, predicted: Panoptic, truth: Panoptic) -> None:
        """Add one picture.

        Raises:
            ValueError: the maps differ in size, or hold an id without a segment.
        """
        if predicted.ids.shape != truth.ids.shape:
            found, allowed = tuple(predicted.ids.shape), tuple(truth.ids.shape)
            raise ValueError(f"prediction: found a map of {found} pixels, allowed: {allowed}, as the truth")
        overlap = _overlap(predicted, truth)
        predicted_label = _labels(predicted)
        true_label = _labels(truth)
        crowd = torch.tensor([segment.crowd for segment in truth.segments], dtype=torch.bool)
        same = true_label[:, None] == predicted_label
        iou = torch.where(same & ~crowd[:, None], _iou(overlap), 0.0)
        match = iou > 0.5
        forgiven = overlap[0, 1:] + (overlap[1:, 1:] * (same & crowd[:, None])).sum(0)
        ignored = forgiven > 0.5 * overlap[:, 1:].sum(0)
        missed = ~match.any(1) & ~crowd
        wrong = ~match.any(0) & ~ignored
        self._add("iou", true_label[match.any(1)], iou[match])  # a true segment has one match at most
        self._add("true_positives", true_label[match.any(1)])
        self._add("false_negatives", true_label[missed])
        self._add("false_positives", predicted_label[wrong])

    def _add(self, state: str, labels: Tensor, values: Tensor | None = None) -> None:
        total: Tensor = getattr(self, state)
        values = torch.ones(len(labels)) if values is None else values
        total.index_add_(0, labels.to(total.device), values.to(total))

    def compute(self) -> dict[str, float]:
        """PQ, SQ and RQ of all classes that occur, of things (`PQ-things` …) and of stuff, 0 to 100."""
        positives, iou = self.true_positives.cpu(), self.iou.cpu()
        weight = positives + 0.5 * (self.false_positives + self.false_negatives).cpu().double()
        sq, rq = iou / positives.clamp(min=1), positives / weight.clamp(min=0.5)
        qualities = {"PQ": sq * rq, "SQ": sq, "RQ": rq}
        occurs = weight > 0
        groups = {"": occurs, "-things": occurs & self.things, "-stuff": occurs & ~self.things}
        return {
            name + suffix: 100 * float(values[chosen].mean()) if chosen.any() else 0.0
            for suffix, chosen in groups.items()
            for name, values in qualities.items()
        }


def _labels(panoptic: Panoptic) -> Tensor:
    return torch.tensor([segment.label for segment in panoptic.segments], dtype=torch.int64)


def _overlap(predicted: Panoptic, truth: Panoptic) -> Tensor:
    """Pixels that a true and a predicted segment share, void first, float64 [T + 1, P + 1]."""
    rows, columns = len(truth.segments) + 1, len(predicted.segments) + 1
    pairs = truth.numbers().cpu() * columns + predicted.numbers().cpu()
    return torch.bincount(pairs.flatten(), minlength=rows * columns).reshape(rows, columns).double()


def _iou(overlap: Tensor) -> Tensor:
    """Intersection over union of all pairs, the truth's void left out of the union, [T, P]."""
    both = overlap[1:, 1:]
    predicted = overlap[:, 1:].sum(0) - overlap[0, 1:]
    union = predicted + overlap[1:].sum(1, keepdim=True) - both
    return both / union.clamp(min=1)
