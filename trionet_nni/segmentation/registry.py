"""The tasks by name: one module each, one entry here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from trionet_nni.errors import InputError, shown
from trionet_nni.network.trionet import TrioNet
from trionet_nni.segmentation.backbone import Backbone
from trionet_nni.segmentation.config import HeadConfig, SegmentationConfig
from trionet_nni.segmentation.panoptic import task as panoptic
from trionet_nni.segmentation.semantic import task as semantic
from trionet_nni.segmentation.task import SegmentationTask


@dataclass(frozen=True)
class TaskEntry:
    """What a run's file names as its task.

    Attributes:
        build: the task of a run; see `build_task`.
        build_model: its network alone, to be counted: from a backbone, the number of classes and the head.
        format: of the data that it learns from, as `data.format` names it.
        size, classes: side of the images in pixels, and number of classes, that Table 6 counts with.
        smallest_batch, smallest_batch_reason: pictures that a training step needs, and why.
    """

    build: Callable[[SegmentationConfig, Backbone, dict[str, Any] | None], SegmentationTask[Any]]
    build_model: Callable[[TrioNet, int, HeadConfig], nn.Module]
    format: str
    size: int
    classes: int
    smallest_batch: int = 1
    smallest_batch_reason: str = ""


TASKS = {
    "semantic": TaskEntry(
        semantic.build, semantic.build_model, "voc", 512, 21, 2, "ASPP normalizes one value an image"
    ),
    "panoptic": TaskEntry(panoptic.build, panoptic.build_model, "coco-panoptic", 640, 133),
}


def task_entry(name: str, field: str) -> TaskEntry:
    """The entry of a name.

    Args:
        field: what names it, for the message.

    Raises:
        InputError: there is none.
    """
    if name not in TASKS:
        raise InputError(f"{field}: found {shown(name)}, allowed: {', '.join(TASKS)}")
    return TASKS[name]


def build_task(
    config: SegmentationConfig, backbone: Backbone, description: dict[str, Any] | None = None
) -> SegmentationTask[Any]:
    """The task of a run.

    Args:
        description: of an earlier run; then no data is read, and the task can only predict.

    Raises:
        InputError: a file of the data is missing, damaged or does not fit the others.
    """
    return TASKS[config.task].build(config, backbone, description)
