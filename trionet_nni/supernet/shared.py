"""Stored parameters whose slices collect their gradients in place.

Autograd gives the gradient of a slice as a tensor of the whole parameter's size, zero outside the slice,
and adds such tensors: a small sub-network pays for the largest. Here every slice is a leaf of its own
whose `.grad` is a view of one buffer, and autograd adds into that view. The buffer is the `.grad` of the
stored parameter, kept from step to step; of it only what the step before had used is set to zero.

Two consequences. `zero_grad(set_to_none=True)` is cheap and is how a step begins; a tensor that was read
from `.grad` before it changes in the next step. And hooks of the stored parameter (such as those of
DistributedDataParallel) do not run: see `trionet_nni.supernet.reduce`.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from trionet_nni.supernet.regions import WHOLE, Region, region
from trionet_nni.supernet.slicing import Cut, cut_shape, cut_view

# Torch would like a gradient laid out like a dense parameter; here it lies where the stored one's does.
warnings.filterwarnings("ignore", message="grad and param do not obey the gradient layout contract")


class Shared:
    """A stored parameter and what the current step's sub-networks used of it.

    Args:
        owner: the module that holds it.
        name: its name there. It is looked up each time, as moving a module may replace it.
    """

    def __init__(self, owner: nn.Module, name: str) -> None:
        self._owner, self._name = owner, name
        self._buffer: Tensor | None = None
        self._used: set[Cut] = set()

    @property
    def parameter(self) -> nn.Parameter:
        """The module's parameter as it is now: moving a module may have replaced it."""
        parameter = self._owner._parameters[self._name]
        assert isinstance(parameter, nn.Parameter)
        return parameter

    @property
    def used(self) -> Region:
        """What was used since the gradient was last None."""
        return region(tuple(self.parameter.shape), frozenset(self._used))

    def use(self, cut: Cut) -> Tensor:
        """The parameter's gradient, ready to be added to; the cut counts as used from now on."""
        parameter = self.parameter
        gradient = parameter.grad
        if gradient is None:
            gradient = parameter.grad = self._cleared(parameter)
        elif gradient is not self._buffer:  # not ours: anything may be in it
            self._buffer, self._used = gradient, {WHOLE}
        self._used.add(cut)
        return gradient

    def _cleared(self, parameter: nn.Parameter) -> Tensor:
        old = self._buffer
        if old is None or _kind(old) != _kind(parameter):
            self._buffer = old = torch.zeros_like(parameter)  # laid out alike: the optimizer relies on it
        elif self._used:
            self.used.zero(old)
        self._used.clear()
        return old


class Leaf:
    """One cut of a stored parameter, as a leaf of autograd's graph.

    Args:
        shared: the stored parameter.
        cut: which part of it.
    """

    def __init__(self, shared: Shared, cut: Cut) -> None:
        stored = shared.parameter
        self.shared, self.cut = shared, cut
        self.shape = cut_shape(stored.shape, cut)
        # Made outside of inference mode: a leaf made there could never be trained.
        with torch.inference_mode(False), torch.no_grad():
            self._leaf = nn.Parameter(cut_view(stored.detach(), cut), stored.requires_grad)
        self._gradient_of: Tensor | None = None
        self._pointer = stored.data_ptr()
        self._split = tuple(self._leaf.shape) != self.shape

    @property
    def fits(self) -> bool:
        """Whether the stored parameter is where it was when the leaf was made."""
        return self.shared.parameter.data_ptr() == self._pointer

    def tensor(self) -> Tensor:
        """The cut in the shape that a static block has; its gradient goes to the stored parameter."""
        if torch.is_grad_enabled() and self._leaf.requires_grad:
            gradient = self.shared.use(self.cut)
            if gradient is not self._gradient_of:
                self._leaf.grad = cut_view(gradient, self.cut)
                self._gradient_of = gradient
        return self._leaf.reshape(self.shape) if self._split else self._leaf


def _kind(x: Tensor) -> tuple[object, ...]:
    return x.shape, x.stride(), x.dtype, x.device
