"""SGD that reads and writes only what a training step used.

Of a tensor that sub-networks share, the unused part has a gradient of zero; plain SGD would still move it
by its momentum. Here it is not even read, and stays bit-identical in weight and momentum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD
from torch.optim.sgd import sgd

from trionet_nni.supernet.regions import WHOLE, Region


class RegionSGD(SGD):
    """torch's fused SGD on regions of the parameters; arguments as torch's.

    Momentum buffers start as zeros, which gives the same first step as torch's copy of the gradient.

    Attributes:
        regions: part of a parameter that the next step moves; all of it where none is named. A parameter
            without a gradient is left alone in either case.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.regions: Mapping[nn.Parameter, Region] = {}
        for group in self.param_groups:
            for parameter in group["params"] if group["momentum"] else ():
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every used element by one step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._step_group(group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        weights: list[Tensor] = []
        gradients: list[Tensor] = []
        momenta: list[Tensor | None] = []
        moved: list[tuple[Region, Tensor, Tensor]] = []
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            region = self.regions.get(parameter, Region((WHOLE,)))
            gradients.append(region.read(parameter.grad))
            weights.append(region.read(parameter))
            moved.append((region, parameter, weights[-1]))
            if group["momentum"]:
                buffer = self.state[parameter]["momentum_buffer"]
                momenta.append(part := region.read(buffer))
                moved.append((region, buffer, part))
            else:
                momenta.append(None)
        sgd(
            weights,
            gradients,
            momenta,
            fused=True,
            lr=group["lr"],
            momentum=group["momentum"],
            dampening=group["dampening"],
            nesterov=group["nesterov"],
            weight_decay=group["weight_decay"],
            maximize=group["maximize"],
        )
        for region, tensor, part in moved:
            region.write(tensor, part)
