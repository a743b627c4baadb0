"""One training step of attention by every route, in float32 and bfloat16, dropout on and off."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from trionet_nni.operators.layers.attention_dropout import set_attention_dropout
from trionet_nni.operators.layers.axial_attention import AxialAttention
from trionet_nni.operators.layers.line_routes import LINE_ROUTES
from trionet_nni.operators.layers.local_attention import LocalAttention
from trionet_nni.operators.layers.routes import DROPOUT_ROUTES, ROUTES

LOCAL = [f"local {route}" for route in ("auto", *ROUTES)]
AXIAL = [f"axial {route}" for route in ("auto", *LINE_ROUTES)]


def layer(name: str, dropout: float) -> nn.Module:
    kind, route = name.split()
    torch.manual_seed(0)
    made = LocalAttention(8, 8, 16, 4, 3) if kind == "local" else AxialAttention(8, 8, 16, 4, 9)
    for module in made.modules():
        if hasattr(module, "route"):
            module.route = route
    set_attention_dropout(made, dropout)
    return made


def step(module: nn.Module, x: Tensor, autocast: bool) -> Tensor:
    """The output before the step; the seed of the masks is the same each time."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        out: Tensor = module(x)
        loss = out.float().square().mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
    optimizer.step()
    return out


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("autocast", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", LOCAL + AXIAL)
def test_a_training_step(native, name, autocast, dropout):
    route = name.split()[1]
    if route == "triton":
        pytest.skip("no GPU here: test_triton_attention.py runs this route in Triton's interpreter")
    if name.startswith("local") and dropout and route not in ("auto", *DROPOUT_ROUTES):
        pytest.skip("this route cannot drop weights, and says so")
    module, x = layer(name, dropout), torch.randn(2, 8, 9, 17)
    exact = copy.deepcopy(module)
    before = copy.deepcopy(module.state_dict())
    out, expected = step(module, x, autocast), step(exact, x, False)
    assert out.dtype == (torch.bfloat16 if autocast else torch.float32)
    assert any(not torch.equal(value, before[key]) for key, value in module.state_dict().items())
    if dropout == 0 or not autocast:  # torch draws other masks in bfloat16
        assert (out - expected).norm() <= (0.05 if autocast else 0) * expected.norm()
    for mine, other in zip(module.parameters(), exact.parameters(), strict=True):
        assert mine.grad is not None and other.grad is not None and mine.dtype == torch.float32
        if dropout == 0:
            assert (mine.grad - other.grad).norm() <= (0.1 if autocast else 0) * other.grad.norm()
