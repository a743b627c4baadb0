"""How Lightning runs in each of the processes that train together, or in the only one."""

from __future__ import annotations

import os
from typing import Any

from pytorch_lightning.strategies import DDPStrategy

from trionet_nni.training.ranks import PATIENCE
from trionet_nni.training.share import this_share


class UnwrappedStrategy(DDPStrategy):
    """Lightning's strategy of one process a device, without DistributedDataParallel around the module.

    A supernet averages the gradients of what a step used by itself (`supernet.reduce`).
    """

    def configure_ddp(self) -> None:
        """Leave the module as it is: seed or checkpoint gave it the same weights in every process."""


def devices(strategy: type[DDPStrategy] = DDPStrategy, **options: Any) -> dict[str, Any]:
    """What Lightning's Trainer is told of devices: one, or those of the processes that torchrun started.

    Args:
        strategy: how gradients become those of all processes.
        options: of DistributedDataParallel.
    """
    share = this_share()
    if share.world == 1:
        return {"devices": 1}
    here = int(os.environ["LOCAL_WORLD_SIZE"])
    return {
        "devices": here,
        "num_nodes": share.world // here,
        "strategy": strategy(timeout=PATIENCE, **options),
        "use_distributed_sampler": False,  # batches are shared out already
    }
