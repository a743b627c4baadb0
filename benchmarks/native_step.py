"""A training step of NNI's own supernet on a sampled network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from nni.nas.oneshot.pytorch.strategy import RandomOneShot
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from torch import Tensor

from benchmarks.peers.native_space import Attend, NativeSpace, native_sample
from benchmarks.peers.unfolded_attention import unfolded_attention
from benchmarks.step_case import CLASSES, TABLE, StepCase
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.operators.layers.local_attention import local_attention
from trionet_nni.settings.project import RecipeConfig
from trionet_nni.training.recipe import optimizer


def published_attention(
    q: Tensor, k: Tensor, v: Tensor, rows: Tensor, columns: Tensor, heads: int
) -> Tensor:
    """Local attention as published, with arguments as this project's."""
    return unfolded_attention(q, k, v, rows[:, :, None] + columns[:, None], heads)


class NativeStep:
    """NNI's supernet of the paper's space, trained by NNI's RandomOneShot.

    Args:
        case: images and labels.
        attend: local attention.
    """

    def __init__(self, case: StepCase, attend: Attend = local_attention) -> None:
        self._case = case
        space = NativeSpace(TABLE, classes=CLASSES, image_size=case.size, attend=attend)
        self.supernet = RandomOneShot().mutate_model(space)
        self._elastic = [m for m in self.supernet.modules() if isinstance(m, BaseSuperNetModule)]
        self._sgd = optimizer(RecipeConfig(epochs=540), self.supernet.parameters())
        for parameter in self.supernet.parameters():  # the fused kernel wants momenta of all or of none
            self._sgd.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)

    def of(self, network: Architecture) -> Callable[[], None]:
        """Choose a network, forward and backward, move the weights."""
        sample, run_pass = native_sample(network), self._case.static_pass(self.supernet)

        def run() -> None:
            memo = dict(sample)
            for module in self._elastic:
                memo.update(module.resample(memo=memo))
            run_pass()
            self._sgd.step()

        return run
