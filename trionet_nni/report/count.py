"""What `trionet count` counts."""

from __future__ import annotations

from trionet_nni.architecture.baselines import BASELINES, network_named
from trionet_nni.architecture.cost import CostModel
from trionet_nni.errors import InputError
from trionet_nni.operators.cost import Cost

_TASK = "count: --task"


def count(network: str, size: int | None, classes: int, channels: int = 3) -> Cost:
    """Cost of an architecture file or a baseline.

    Args:
        network: path, or name of a baseline.
        size: side of the square image in pixels; the skeleton's own when None.

    Raises:
        InputError: neither a baseline nor a usable file.
    """
    return CostModel(classes, channels, size)(network_named(network))


def count_segmentation(
    network: str, task: str, size: int | None, classes: int | None, channels: int, stem: str | None
) -> Cost:
    """Cost of a whole segmentation network.

    Args:
        task: a name of `segmentation.registry`, whose entry has the size and the classes when None.
        stem: "plain" or "deep" (V1c); when None as Table 6 counts: deep for the ResNets, else plain.

    Raises:
        InputError: see `count`.
    """
    from trionet_nni.segmentation.count import segmentation_cost  # torch: seconds
    from trionet_nni.segmentation.registry import task_entry

    entry = task_entry(task, _TASK)
    return segmentation_cost(
        network_named(network),
        task,
        size=size or entry.size,
        classes=classes or entry.classes,
        channels=channels,
        deep_stem=(stem or default_stem(network)) == "deep",
    )


def default_stem(network: str) -> str:
    """The stem under which a network's FLOPs in Table 6 come out."""
    return "deep" if network.startswith("resnet-") and network in BASELINES else "plain"


def check_count(size: int | None, classes: int | None, channels: int, task: str | None) -> None:
    """Look once at what holds for all networks that are counted.

    Raises:
        InputError: an impossible number, or there is no such task.
    """
    for field, value in (("--size", size), ("--classes", classes), ("--channels", channels)):
        if value is not None and value < 1:
            raise InputError(f"{field}: found {value}, allowed: a positive number")
    if task is not None:
        from trionet_nni.segmentation.registry import task_entry  # torch: seconds

        task_entry(task, _TASK)
