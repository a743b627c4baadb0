"""One of the processes that average their gradients: a module of its own, so that it starts without NNI."""

from __future__ import annotations

import torch

from strategies.multi_head_sharing import SHARING
from trionet_nni.operators.parts import Prefix
from trionet_nni.supernet.reduce import averaged
from trionet_nni.supernet.regions import WHOLE, region
from trionet_nni.supernet.slicing import Heads


def gradient(rank: int, name: str = "whole") -> torch.Tensor:
    """What a process brings; one parameter is of another type, and shares no bucket with the others."""
    dtype = torch.float64 if name == "heads" else torch.float32
    return torch.arange(64, dtype=dtype).view(8, 8) * (rank + 1)


CUTS = {
    "whole": {WHOLE},
    "rows": {(Prefix(2),)},
    "heads": {(Heads(SHARING, 4, 4), Prefix(3))},
    "two": {(Prefix(2),), (Prefix(6), Prefix(1))},
}


def average(rank: int, rendezvous: str, results: str, bucket: int) -> None:
    """Average four gradients, of which different parts were used, in buckets of so many bytes."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=2)
    gradients = {name: gradient(rank, name) for name in CUTS}
    regions = ((gradients[name], region((8, 8), frozenset(cuts))) for name, cuts in CUTS.items())
    averaged(regions, bucket)
    torch.save(gradients, f"{results}{rank}")
    torch.distributed.destroy_process_group()
