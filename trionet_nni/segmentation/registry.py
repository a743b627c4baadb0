"""The segmentation tasks by name: one module each, one line here."""

from __future__ import annotations

from types import ModuleType
from typing import Any

# isort: off
# Every module imported here gives its TASK.
from trionet_nni.segmentation.semantic import task as semantic
from trionet_nni.segmentation.panoptic import task as panoptic

# isort: on
from trionet_nni.errors import InputError, shown
from trionet_nni.segmentation.shared.backbone import Backbone
from trionet_nni.segmentation.shared.config import SegmentationConfig
from trionet_nni.segmentation.shared.task import SegmentationTask, TaskEntry

_MODULES = [found for found in list(globals().values()) if isinstance(found, ModuleType)]
TASKS: dict[str, TaskEntry] = {module.TASK.name: module.TASK for module in _MODULES}


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
