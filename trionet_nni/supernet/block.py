"""The layers of a supernet's block: operators side by side between shared projections (Fig. 2, right)."""

from __future__ import annotations

from torch import nn

from trionet_nni.architecture.table import OperatorChoices
from trionet_nni.network.residual import build_shortcut, pointwise
from trionet_nni.network.trionet import initialize
from trionet_nni.operators.place import Place


def stored_layers(choices: tuple[OperatorChoices, ...], at: Place) -> dict[str, nn.Module]:
    """What a block stores so that every candidate's static block can be cut out of it.

    Each operator has its layer and the BN behind it; what operators share is as wide as the widest needs.
    They begin as those of a static network: He initialization of the 1×1 convolutions, γ = 0 at the end.

    Returns:
        Layers by name, in the order of the static block, `operators` and `bn_operators` as ModuleDicts.
    """
    width = at.output_width
    stored = {column.operator: column.stored for column in choices}
    inner = max(block.inner(width) for block in stored.values())
    out = {name: block.out(width) for name, block in stored.items()}
    bn_out = nn.BatchNorm2d(width)
    nn.init.zeros_(bn_out.weight)  # γ of the last BN (appendix A)
    layers = {
        "project_in": pointwise(at.input_width, inner),
        "bn_in": nn.BatchNorm2d(inner),
        "operators": nn.ModuleDict({name: block.build(at) for name, block in stored.items()}),
        "bn_operators": nn.ModuleDict({name: nn.BatchNorm2d(channels) for name, channels in out.items()}),
        "project_out": pointwise(max(out.values()), width),
        "bn_out": bn_out,
        "shortcut": build_shortcut(at),
    }
    for layer in layers.values():
        initialize(layer)
    return layers
