"""Optimizer and learning rate of a segmentation run (paper, appendix; DeepLab's "poly" schedule)."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import nn
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from trionet_nni.segmentation.shared.config import RecipeConfig


def optimizer(recipe: RecipeConfig, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """SGD with momentum or Adam, at the recipe's learning rate, as one fused kernel."""
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "adam":
        return Adam(parameters, lr=rate, weight_decay=decay, fused=True)
    return SGD(parameters, lr=rate, momentum=recipe.momentum, weight_decay=decay, fused=True)


def rate(recipe: RecipeConfig, step: int) -> float:
    """Learning rate of a step ÷ the first one: (1 − step ÷ iterations)^power, or a half cosine."""
    left = max(0.0, 1 - step / recipe.iterations)
    return left**recipe.power if recipe.schedule == "poly" else 0.5 * (1 - math.cos(math.pi * left))


def schedule(recipe: RecipeConfig, optimizer: Optimizer) -> LambdaLR:
    """The learning rate, to be moved on after every step."""
    return LambdaLR(optimizer, lambda step: rate(recipe, step))
