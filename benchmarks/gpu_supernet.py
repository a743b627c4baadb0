"""One step of the supernet as the search takes it, on a device: sandwich rule, decay, optimizer.

Needs NNI's Python package (not its server): import it only where `import nni` works.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import torch

from strategies.one_shot import SupernetTask, TrioNetOneShot
from strategies.sandwich_module import SandwichModule
from trionet_nni.settings.plugins import load_module
from trionet_nni.settings.project import RecipeConfig, SupernetConfig

CLASSES = 1000


def sandwich_step(
    space: str, image_size: int, batch: int, device: torch.device, autocast: Callable[[], torch.autocast]
) -> Callable[[], object]:
    """A call that takes one optimizer step: smallest, largest and two random sub-networks of a new draw.

    Args:
        space: dotted path of the search space.
        image_size, batch: of random images.
        autocast: makes the precision that the passes run in.
    """
    plugin = load_module(space, ("TABLE", "build"), "space")
    config = SupernetConfig(recipe=RecipeConfig(epochs=540))
    strategy = TrioNetOneShot(config, plugin.TABLE)
    supernet = strategy.mutate_model(plugin.build(classes=CLASSES, channels=3, image_size=image_size))
    supernet = supernet.to(device, memory_format=torch.channels_last)
    task = SupernetTask(config.recipe, 100)
    task.set_model(supernet)
    module: SandwichModule = strategy.configure_oneshot_module(task)
    module.manual_backward = lambda loss: loss.backward()
    optimizer = task.configure_optimizers()[0][0]
    images = torch.randn(batch, 3, image_size, image_size, device=device)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (batch,), device=device)
    numbers = count()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with autocast():
            module.accumulate((images, labels), module.draw(next(numbers)))
        optimizer.regions = module.usage.regions()
        optimizer.step()

    return step
