"""One of the processes that train together: how they meet, wait for the first, and agree on a number."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import PrefixStore, Store, TCPStore  # torch.distributed names them untyped

from trionet_nni.training.share import this_share

PATIENCE = timedelta(hours=2)  # of those that wait while the first measures, or writes


def meet() -> None:
    """Wait until all processes of this training are here; only where torchrun's agent started them."""
    if not dist.is_initialized():
        share = this_share()
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(
            backend, timeout=PATIENCE, store=_store(), rank=share.rank, world_size=share.world
        )
    dist.barrier()


@contextmanager
def first_alone() -> Iterator[None]:
    """What is in here the first process does before the others, which then find its files."""
    share = this_share()
    if share.rank > 0:
        meet()
    try:
        yield
    finally:
        if share.rank == 0 and share.world > 1:
            meet()


def mean_of_all(values: Tensor) -> Tensor:
    """The mean over all processes, the same bits in each; the values themselves where there is one."""
    if not dist.is_initialized():
        return values
    total = values.clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()


def _store() -> Store:
    """Where the processes leave their addresses for each other.

    The agent's own store outlives its workers: without a prefix, those that are started again find the
    addresses of the dead (torch 2.14).
    """
    given = os.environ
    served = given.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    first = not served and given["RANK"] == "0"
    store = TCPStore(given["MASTER_ADDR"], int(given["MASTER_PORT"]), is_master=first, timeout=PATIENCE)
    return PrefixStore(f"trionet/{given['TORCHELASTIC_RESTART_COUNT']}", store)
