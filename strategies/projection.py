"""Where gradients conflict, the largest sub-network's makes way for the others' (NASViT, Gong et al. 2022).

Per stored tensor, with g_L the gradient of the largest and g_O the sum of all others' gradients:

    g = g_O + g_L − min(0, ⟨g_L, g_O⟩) ÷ ‖g_O‖² · g_O

What g_L has against g_O is taken out of it, so that ⟨g − g_O, g_O⟩ = 0; g_O stays as it is, and where the
two do not conflict, nothing changes. As in the authors' code the largest makes way, and each tensor is
judged by itself; unlike there the factor of g_O has no upper limit, and it is so from the first step on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

Gradients = Mapping[nn.Parameter, Tensor]


def copied(parameters: Iterable[nn.Parameter]) -> Gradients:
    """The gradients that are there now; more may be added to the parameters' own afterwards."""
    return {p: p.grad.clone() for p in parameters if p.grad is not None}


@torch.no_grad()
def make_way(largest: Gradients) -> None:
    """Project, in place, in gradients that are sums of the largest's and others'.

    Args:
        largest: the largest's part of each sum. A parameter that it does not use is left as it is.
    """
    sums = [_gradient(parameter) for parameter in largest]
    first = list(largest.values())
    others = torch._foreach_sub(sums, first)
    products = torch._foreach_mul(others, first)
    for total, other, product in zip(sums, others, products, strict=True):
        square = other.square().sum().clamp(min=torch.finfo(other.dtype).tiny)
        total.addcmul_(other, (-product.sum() / square).clamp(min=0))


def _gradient(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad
