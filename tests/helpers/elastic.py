"""Untrained supernets of the small space, and which of their elements a network uses."""

from __future__ import annotations

import torch

from spaces import small
from strategies.elastic import elastic_blocks
from strategies.multi_head_sharing import SHARING
from strategies.one_shot import TrioNetOneShot
from tests.helpers.supernets import project
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.supernet.slicing import subnetwork_state


def make_supernet(sharing: str = "strategies.multi_head_sharing"):
    return supernet_of(small.build, small.TABLE, sharing)


def supernet_of(build, table: SpaceTable, sharing: str = "strategies.multi_head_sharing"):
    """A space's supernet for 28 × 28 grey images of 10 classes, in which every operator is heard."""
    torch.manual_seed(0)
    strategy = TrioNetOneShot(project(sharing=sharing).supernet, table)
    supernet = strategy.mutate_model(build(classes=10, channels=1, image_size=28))
    for block in elastic_blocks(supernet):  # γ = 0 would hide every operator
        torch.nn.init.uniform_(block.bn_out.weight, 0.5, 1.5)
    return supernet


def used_elements(supernet, architectures: list[Architecture], sharing=SHARING) -> dict[str, torch.Tensor]:
    """Which elements the sub-networks use, found by numbering all elements and cutting."""
    state = supernet if isinstance(supernet, dict) else supernet.state_dict()
    numbered, start = {}, 1
    for name, tensor in state.items():
        numbered[name] = torch.arange(start, start + tensor.numel(), dtype=torch.float64).view(tensor.shape)
        start += tensor.numel()
    seen = torch.cat(
        [
            cut.flatten()
            for architecture in architectures
            for cut in subnetwork_state(numbered, architecture, sharing, 28).values()
        ]
    )
    flags = torch.zeros(start, dtype=torch.bool)
    flags[seen.long()] = True
    return {name: flags[numbers.long()] for name, numbers in numbered.items()}
