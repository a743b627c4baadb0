"""Hand-designed networks in the style of the paper's baselines, scaled to a cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import product

from benchmarks.worth.case import Case
from trionet_nni.architecture.architecture import Architecture, Block
from trionet_nni.architecture.skeleton import SKELETONS, Skeleton
from trionet_nni.errors import InputError
from trionet_nni.operators.axial import Axial
from trionet_nni.operators.conv import Conv
from trionet_nni.operators.local import Local

# The blocks of Table 2's families; four heads instead of eight, because the stages are narrower here.
STYLES: dict[str, Block] = {
    "resnet": Conv(0.25, 3),
    "local": Local(0.25, 7, 1.0, 1.0, 4),
    "axial": Axial(0.5, 0.5, 1.0, 4),
}
_WIDTHS = range(32, 129, 8)  # of the first stage; the second has twice as many channels
_DEPTHS = tuple(product(range(1, 7), repeat=2))


@cache
def handmade(case: Case, style: str) -> Architecture:
    """The style's network nearest to the case's cost: the same block everywhere, width and depths scaled.

    Of those in the band the one whose depths are nearest to two blocks a stage, then the dearest; where the
    band holds none, the nearest in FLOPs.
    """
    low, high = case.band
    networks = list(_networks(case, style))
    flops = {network: case.cost(network).flops for network in networks}
    inside = [network for network in networks if low <= flops[network] <= high]
    if inside:
        return min(inside, key=lambda one: (sum(abs(depth - 2) for depth in one.depths), -flops[one]))
    return min(networks, key=lambda one: abs(flops[one] - case.flops))


def _networks(case: Case, style: str) -> Iterator[Architecture]:
    for width, depths in product(_WIDTHS, _DEPTHS):
        with suppress(InputError):  # channels that do not divide over the heads
            yield _network(case, style, width, depths)


def _network(case: Case, style: str, width: int, depths: tuple[int, ...]) -> Architecture:
    space = case.table.skeleton
    name = f"{space.name}-{width}-{depths[0]}-{depths[1]}"
    frame = Skeleton(name, space.stem, (width, 2 * width), space.strides, depths, space.image_size)
    SKELETONS.setdefault(name, frame)  # an architecture finds its skeleton by name
    return Architecture(name, tuple((STYLES[style],) * depth for depth in depths))
