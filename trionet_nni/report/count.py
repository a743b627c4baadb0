"""What `trionet count` counts."""

from __future__ import annotations

from pathlib import Path

from trionet_nni.architecture import Architecture
from trionet_nni.baselines import BASELINES, NAMES, resnet18_cost
from trionet_nni.errors import InputError
from trionet_nni.flops import Cost, CostModel


def count(network: str, size: int | None, classes: int, channels: int = 3) -> Cost:
    """Cost of an architecture file or a baseline.

    Args:
        network: path, or name of a baseline.
        size: side of the square image in pixels; the skeleton's own when None.

    Raises:
        InputError: neither a baseline nor a usable file, or an impossible number.
    """
    for field, value in (("--size", size), ("--classes", classes), ("--channels", channels)):
        if value is not None and value < 1:
            raise InputError(f"{field}: found {value}, allowed: a positive number")
    if network == "resnet-18":
        return resnet18_cost(size or 224, classes, channels)
    if network in BASELINES:
        return CostModel(classes, channels, size)(BASELINES[network])
    if not Path(network).exists():
        raise InputError(f"{network}: found no such file, allowed: a file or one of {', '.join(NAMES)}")
    return CostModel(classes, channels, size)(Architecture.load(network))
