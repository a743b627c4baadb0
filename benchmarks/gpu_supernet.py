"""One step of the supernet as the search takes it, for a device: sandwich rule, bf16 autocast, one update.

Needs NNI's Python package (not its server): import it only where `import nni` works.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from torch.nn.functional import cross_entropy

from strategies.one_shot import TrioNetOneShot
from strategies.sandwich import draw
from trionet_nni.config import SupernetConfig
from trionet_nni.plugins import load_module

_STEPS = 64  # different draws, taken in turn


def sandwich_step(space: str, image_size: int, batch: int, device: torch.device) -> Callable[[], object]:
    """A call that takes one optimizer step: smallest, largest and two random sub-networks of one draw.

    Args:
        space: dotted path of the search space.
        image_size, batch: of random images.
    """
    plugin = load_module(space, ("TABLE", "build"), "space")
    config = SupernetConfig()
    strategy = TrioNetOneShot(config, plugin.TABLE)
    supernet = strategy.mutate_model(plugin.build(classes=1000, channels=3, image_size=image_size))
    supernet = supernet.to(device, memory_format=torch.channels_last)
    elastic = [module for module in supernet.modules() if isinstance(module, BaseSuperNetModule)]
    images = torch.randn(batch, 3, image_size, image_size, device=device)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.randint(1000, (batch,), device=device)
    sgd = torch.optim.SGD(supernet.parameters(), lr=0.01, momentum=0.9)
    sampling = load_module(config.sampling, ("SAMPLING",), "supernet.sampling").SAMPLING
    draws = [
        draw(plugin.TABLE, sampling, True, config.random_subnetworks, np.random.default_rng(number))
        for number in range(_STEPS)
    ]
    taken = iter(range(1_000_000_000))

    def step() -> None:
        sgd.zero_grad(set_to_none=True)
        for architecture in draws[next(taken) % _STEPS].subnetworks:
            sample = architecture.to_sample()
            for module in elastic:
                module.resample(memo=sample)
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                loss = cross_entropy(supernet(images), labels)
            loss.backward()
        sgd.step()

    return step
