"""Gradients of several processes, averaged once a step.

The slices of a supernet collect their gradients without the hooks that DistributedDataParallel puts on
parameters, so a supernet is not wrapped in it: it is the same in every process, draws the same
sub-networks (a draw is a function of seed and step), and what they used is averaged here, in few flat
buckets: a supernet has hundreds of regions, and each collective costs a round trip.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from trionet_nni.supernet.regions import Region

_BUCKET = 25_000_000  # bytes, as DistributedDataParallel's

Part = tuple[Tensor, Region, Tensor]  # a gradient, a region of it, and the region's values


def averaged(gradients: Iterable[tuple[Tensor | None, Region]], bucket: int = _BUCKET) -> None:
    """Replace every region of a gradient by its mean over all processes; nothing to do in a single one.

    Every process must name the same regions in the same order.

    Args:
        bucket: bytes that one collective takes at most, but for a region that is larger by itself.
    """
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        averaged_in_group(gradients, bucket)


def averaged_in_group(gradients: Iterable[tuple[Tensor | None, Region]], bucket: int = _BUCKET) -> None:
    """The same where there is a group, and also where it is of one process."""
    parts = [(g, region, region.read(g)) for g, region in gradients if g is not None]
    pending = []
    for group in _buckets(parts, bucket):
        flat = torch.cat([values.reshape(-1) for _, _, values in group])
        pending.append((group, flat, dist.all_reduce(flat, async_op=True)))
    for group, flat, work in pending:
        assert work is not None
        work.wait()
        flat.div_(dist.get_world_size())
        means = torch.split(flat, [values.numel() for _, _, values in group])
        for (gradient, region, values), mean in zip(group, means, strict=True):
            region.write(gradient, values.copy_(mean.view(values.shape)))  # often a view of the gradient


def _buckets(parts: Sequence[Part], most: int) -> Iterator[list[Part]]:
    """Parts one after the other, of one type and device and of so many bytes together."""
    group: list[Part] = []
    size = 0
    for part in parts:
        values = part[2]
        other = group and (values.dtype, values.device) != (group[0][2].dtype, group[0][2].device)
        if group and (other or size + values.nbytes > most):
            yield group
            group, size = [], 0
        group.append(part)
        size += values.nbytes
    if group:
        yield group
