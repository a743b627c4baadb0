"""The tasks by name. A task is a module with two functions.

`build(config, backbone, description=None)` gives the task; `build_model(network, classes, head)` its
network alone, to be counted.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from trionet_nni.segmentation.backbone import Backbone
from trionet_nni.segmentation.config import SegmentationConfig
from trionet_nni.segmentation.task import SegmentationTask

TASKS = {
    "semantic": "trionet_nni.segmentation.semantic.task",
    "panoptic": "trionet_nni.segmentation.panoptic.task",
}


def build_task(
    config: SegmentationConfig, backbone: Backbone, description: dict[str, Any] | None = None
) -> SegmentationTask[Any]:
    """The task of a run.

    Args:
        description: of an earlier run; then no data is read, and the task can only predict.

    Raises:
        InputError: a file of the data is missing, damaged or does not fit the others.
    """
    task: SegmentationTask[Any] = import_module(TASKS[config.task]).build(config, backbone, description)
    return task
