"""One of the processes that train a supernet together: how they meet, and how Lightning runs in each."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from pytorch_lightning.strategies import DDPStrategy
from torch._C._distributed_c10d import PrefixStore, Store, TCPStore  # torch.distributed names them untyped

from trionet_nni.settings.plugins import load_module
from trionet_nni.settings.project import ProjectConfig
from trionet_nni.supernet.curve import Point
from trionet_nni.training.process import prepare_process
from trionet_nni.training.share import this_share

Report = Callable[[Point], None]
_PATIENCE = timedelta(hours=2)  # of those that wait while the first measures the curves, or writes


class UnwrappedStrategy(DDPStrategy):
    """Lightning's strategy of one process a device, without DistributedDataParallel around the module.

    A supernet averages the gradients of what a step used by itself (`supernet.reduce`).
    """

    def configure_ddp(self) -> None:
        """Leave the module as it is: seed or checkpoint gave it the same weights in every process."""


def meet() -> None:
    """Wait until all processes of this training are here; only where torchrun's agent started them."""
    if not dist.is_initialized():
        share = this_share()
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(
            backend, timeout=_PATIENCE, store=_store(), rank=share.rank, world_size=share.world
        )
    dist.barrier()


def _store() -> Store:
    """Where the processes leave their addresses for each other.

    The agent's own store outlives its workers: without a prefix, those that are started again find the
    addresses of the dead (torch 2.14).
    """
    given = os.environ
    served = given.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    first = not served and given["RANK"] == "0"
    store = TCPStore(given["MASTER_ADDR"], int(given["MASTER_PORT"]), is_master=first, timeout=_PATIENCE)
    return PrefixStore(f"trionet/{given['TORCHELASTIC_RESTART_COUNT']}", store)


def train_by_plugin(config: ProjectConfig, directory: Path, report: Report) -> None:
    """This process's part of a supernet's training, or all of it.

    Raises:
        InputError: the configuration cannot be trained.
        RunFailed: it diverged twice.
    """
    prepare_process()
    plugin = load_module(config.supernet.strategy, ("train_supernet",), "supernet.strategy")
    plugin.train_supernet(config, directory, report)


def devices() -> dict[str, Any]:
    """What Lightning's Trainer is told of devices: one, or those of the processes that torchrun started."""
    share = this_share()
    if share.world == 1:
        return {"devices": 1}
    here = int(os.environ["LOCAL_WORLD_SIZE"])
    return {
        "devices": here,
        "num_nodes": share.world // here,
        "strategy": UnwrappedStrategy(timeout=_PATIENCE),
        "use_distributed_sampler": False,  # batches are shared out already
    }
