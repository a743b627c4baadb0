"""Short adaptation: a candidate's own copy of the supernet's weights, trained a little before it is scored.

Shared weights are a compromise between all sub-networks. A few steps on training images let each settle
for itself: what is scored then may be nearer to what training from scratch gives.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from trionet_nni.data.images import ImageSet
from trionet_nni.settings.project import RecipeConfig
from trionet_nni.training.batches import StepBatches
from trionet_nni.training.recipe import optimizer, schedule, total_steps


def for_steps(recipe: RecipeConfig, steps: int) -> RecipeConfig:
    """The recipe over so many steps: from its peak by a half cosine to zero, without warm-up."""
    return recipe.model_copy(update={"steps": steps, "warmup_epochs": 0.0, "warmup": None})


@torch.inference_mode(False)
def adapt(network: nn.Module, images: ImageSet, recipe: RecipeConfig) -> None:
    """Train a network in place on the first batches of a recipe's run; a function of its weights alone.

    Its BN statistics mean nothing afterwards, as before. The mode is training mode afterwards.

    Args:
        network: [B, C, S, S] → logits [B, classes].

    Raises:
        InputError: fewer images than a batch.
    """
    batches = StepBatches(images, recipe.batch_size, recipe.augment, recipe.seed)
    device = next(network.parameters()).device
    sgd = optimizer(recipe, network.parameters())
    rates = schedule(recipe, sgd, batches.steps_per_epoch)
    network.train()
    with torch.enable_grad():
        for step in range(total_steps(recipe, batches.steps_per_epoch)):
            pixels, labels = (part.to(device) for part in batches[step])
            sgd.zero_grad(set_to_none=True)
            loss = cross_entropy(network(pixels), labels, label_smoothing=recipe.label_smoothing)
            torch.autograd.backward(loss)
            sgd.step()
            rates.step()
