"""The hand-designed networks of Tables 2 and 4, as Architectures."""

from __future__ import annotations

import os

from trionet_nni.architecture.architecture import Architecture, Basic, Block
from trionet_nni.errors import InputError, nearest
from trionet_nni.operators.axial import Axial
from trionet_nni.operators.conv import Conv
from trionet_nni.operators.local import Local

_DEPTHS = {26: (1, 2, 4, 1), 38: (2, 3, 5, 2), 50: (3, 4, 6, 3)}
_BLOCKS: dict[str, tuple[str, Block]] = {
    "resnet": ("resnet", Conv(0.25, 3)),
    "local": ("resnet", Local(0.25, 7, 1.0, 1.0, 8)),
    "axial": ("axial", Axial(0.5, 0.5, 1.0, 8)),
}
BASELINES: dict[str, Architecture] = {
    "resnet-18": Architecture("resnet-18", ((Basic(), Basic()),) * 4),
    **{
        f"{family}-{layers}": Architecture(space, tuple((block,) * depth for depth in depths))
        for family, (space, block) in _BLOCKS.items()
        for layers, depths in _DEPTHS.items()
    },
}


def baseline(name: str) -> Architecture:
    """A hand-designed network by name.

    Raises:
        InputError: there is none of this name; the nearest one is in the message.
    """
    if name not in BASELINES:
        allowed = f"{', '.join(BASELINES)}{nearest(name, BASELINES)}"
        raise InputError(f"network: found {name!r}, allowed: {allowed}")
    return BASELINES[name]


def network_named(network: str) -> Architecture:
    """A hand-designed network by name, or the network of an architecture file.

    Raises:
        InputError: neither; the nearest name is in the message.
    """
    if network in BASELINES:
        return BASELINES[network]
    if not os.path.exists(network):  # noqa: PTH110 (false for a name that no disk can have)
        allowed = f"a file or one of {', '.join(BASELINES)}{nearest(network, BASELINES)}"
        raise InputError(f"{network}: found no such file, allowed: {allowed}")
    return Architecture.load(network)
