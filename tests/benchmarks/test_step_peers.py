"""The peers of the step's benchmark really are the networks that they stand for."""

from __future__ import annotations

import torch
from nni.nas.oneshot.pytorch.strategy import RandomOneShot
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.native_step import published_attention
from benchmarks.peers.all_operators import AllCandidatesBlock, AllOperators
from benchmarks.peers.native_space import NativeSpace, native_sample
from spaces import small
from tests.helpers.architectures import random_architectures
from trionet_nni.network.trionet import TrioNet
from trionet_nni.operators.layers.local_attention import local_attention

TABLE = small.TABLE


def convolution_flops(network: nn.Module) -> int:
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network(torch.randn(1, 3, 32, 32))
    return counter.get_flop_counts()["Global"][torch.ops.aten.convolution]


def test_nnis_supernet_runs_the_sampled_network():
    supernet = RandomOneShot().mutate_model(NativeSpace(TABLE, classes=10, image_size=32))
    elastic = [m for m in supernet.modules() if isinstance(m, BaseSuperNetModule)]
    for architecture in random_architectures(TABLE, 12):
        memo = native_sample(architecture)
        for module in elastic:
            memo.update(module.resample(memo=memo))
        expected = convolution_flops(TrioNet(architecture, classes=10, image_size=32))
        assert convolution_flops(supernet) == expected


def test_published_attention_is_the_same_function():
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 8, 6, 5) for _ in range(3))
    rows, columns = torch.randn(4, 3), torch.randn(4, 3)
    expected = local_attention(q, k, v, rows, columns, 2)
    torch.testing.assert_close(published_attention(q, k, v, rows, columns, 2), expected)


def test_candidates_side_by_side_add_up():
    candidates = [choices.largest for choices in TABLE.operators]
    network = AllOperators(
        TABLE.skeleton, [[candidates], [candidates], [candidates]], 10, 32, AllCandidatesBlock
    )
    block = network.blocks[1].eval()
    for candidate in block.candidates:
        nn.init.normal_(candidate.bn_out.weight)
    x = torch.randn(2, block.candidates[0].project_in.in_channels, 16, 16)
    whole = block(x)
    parts: list[torch.Tensor] = []
    for candidate in block.candidates:
        candidate.shortcut = block.shortcut
        candidate.bn_out.register_forward_hook(lambda module, inputs, out: parts.append(out.clone()))
        candidate(x)
    torch.testing.assert_close(whole, torch.relu(sum(parts) + block.shortcut(x)))


def test_all_operators_of_a_block_get_a_gradient():
    candidates = [choices.largest for choices in TABLE.operators]
    network = AllOperators(TABLE.skeleton, [[candidates], [candidates], [candidates]], 10, 32)
    for block in network.blocks:
        nn.init.ones_(block.bn_out.weight)
    network(torch.randn(2, 3, 32, 32)).logsumexp(1).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
