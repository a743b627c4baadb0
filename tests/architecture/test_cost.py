from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from spaces import small, trionet
from tests.helpers.architectures import random_architectures
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.baselines import BASELINES, baseline
from trionet_nni.architecture.cost import CostModel
from trionet_nni.network.trionet import TrioNet


def counted(architecture: Architecture, size: int, classes: int) -> tuple[int, int]:
    """(parameters, FLOPs) of the real network, counted by torch on the meta device."""
    with torch.device("meta"):
        network = TrioNet(architecture, classes=classes, image_size=size).eval()
        images = torch.empty(1, 3, size, size)
    with FlopCounterMode(display=False) as counter:
        network(images)
    return sum(p.numel() for p in network.parameters()), counter.get_total_flops()


@pytest.mark.parametrize(
    ("table", "size", "numbers"),
    [
        (trionet.TABLE, 224, range(40)),
        pytest.param(trionet.TABLE, 224, range(40, 120), marks=pytest.mark.slow),
        (small.TABLE, 32, range(50)),
        (small.TABLE, 28, range(30)),
    ],
)
def test_the_formula_is_what_torch_counts(table, size, numbers):
    cost = CostModel(classes=10, image_size=size)
    for architecture in random_architectures(table, numbers.stop, seed=size)[numbers.start :]:
        expected = cost(architecture)
        assert (expected.params, expected.flops) == counted(architecture, size, 10)


@pytest.mark.parametrize(
    ("name", "params", "flops"),
    [
        ("resnet-18", 11_689_512, 3.628e9),
        ("resnet-26", 13.697e6, 4.685e9),
        ("resnet-38", 19.627e6, 6.431e9),
        ("resnet-50", 25.557e6, 8.178e9),
        ("local-26", 10.331e6, 4.484e9),
        ("local-38", 14.173e6, 5.725e9),
        ("local-50", 18.016e6, 6.966e9),
        ("axial-26", 5_900_224, 3_506_339_840),
        ("axial-38", 8_696_648, 4_447_842_304),
    ],
)
def test_baselines_come_out_as_derived_from_the_paper(name, params, flops):
    cost = CostModel()(baseline(name))
    assert cost.params == pytest.approx(params, rel=5e-4)
    assert cost.flops == pytest.approx(flops, rel=2e-4)
    assert (cost.params, cost.flops) == counted(BASELINES[name], 224, 1000)


@pytest.mark.parametrize(("size", "classes"), [(224, 196), (75, 10), (32, 2)])
def test_resnet_18_costs_what_torch_counts_at_any_size(size, classes):
    cost = CostModel(classes, 3, size)(BASELINES["resnet-18"])
    assert (cost.params, cost.flops) == counted(BASELINES["resnet-18"], size, classes)


def test_axial_26_and_38_are_members_of_the_space():
    for name in ("axial-26", "axial-38"):
        stages = BASELINES[name].stages
        shortest = tuple(
            stage[:1] * max(len(stage), min(depths))
            for stage, depths in zip(stages, trionet.TABLE.depths, strict=True)
        )
        assert trionet.TABLE.contains(Architecture("trionet", shortest))
