"""What a whole segmentation network costs, counted by torch on the meta device."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.network.trionet import TrioNet
from trionet_nni.operators.cost import Cost
from trionet_nni.segmentation.registry import TASKS
from trionet_nni.segmentation.shared.config import HeadConfig


def segmentation_model(
    architecture: Architecture, task: str, *, classes: int, channels: int = 3, deep_stem: bool = False
) -> nn.Module:
    """Backbone and head of a task, with position tables of the network's own image size."""
    backbone = TrioNet(architecture, classes=None, channels=channels, deep_stem=deep_stem)
    return TASKS[task].build_model(backbone, classes, HeadConfig())


def segmentation_cost(
    architecture: Architecture,
    task: str,
    *,
    size: int,
    classes: int,
    channels: int = 3,
    deep_stem: bool = False,
) -> Cost:
    """Parameters and multiply-accumulates of one image, by the conventions of `architecture.cost`.

    Args:
        task: a key of `TASKS`.
        size: side of the square image in pixels.
        deep_stem: three 3×3 convolutions instead of one 7×7 (V1c).
    """
    with torch.device("meta"):
        model = segmentation_model(
            architecture, task, classes=classes, channels=channels, deep_stem=deep_stem
        ).eval()
        images = torch.empty(1, channels, size, size)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(images)
    return Cost(sum(p.numel() for p in model.parameters()), counter.get_total_flops() // 2)
