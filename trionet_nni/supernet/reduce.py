"""Gradients of several processes, averaged once a step.

The slices of a supernet collect their gradients without the hooks that DistributedDataParallel puts on
parameters, so a supernet is not wrapped in it: it is the same in every process, draws the same
sub-networks (a draw is a function of seed and step), and what they used is averaged here.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch.distributed as dist
from torch import Tensor

from trionet_nni.supernet.regions import Region


def averaged(gradients: Iterable[tuple[Tensor | None, Region]]) -> None:
    """Replace every region of a gradient by its mean over all processes; nothing to do in a single one.

    Every process must name the same regions in the same order.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return
    parts = [(g, region, region.read(g)) for g, region in gradients if g is not None]
    pending = [dist.all_reduce(values, async_op=True) for _, _, values in parts]
    for (gradient, region, values), work in zip(parts, pending, strict=True):
        assert work is not None
        work.wait()
        region.write(gradient, values.div_(dist.get_world_size()))
