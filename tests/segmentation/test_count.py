"""Whole segmentation networks: Table 6, by torch's counter and by hand."""

from __future__ import annotations

import json

import pytest

from trionet_nni.architecture.baselines import BASELINES
from trionet_nni.architecture.cost import CostModel
from trionet_nni.cli import main
from trionet_nni.segmentation.count import segmentation_cost


def flops(capsys, *arguments: str) -> int:
    assert main(["count", *arguments, "--json"]) == 0
    result: int = json.loads(capsys.readouterr().out)["flops"]
    return result


def test_table_6_of_the_paper(capsys):
    options = ("--task", "semantic", "--size", "512", "--classes", "21")
    assert flops(capsys, "resnet-50", *options) == pytest.approx(66.3e9, abs=0.2e9)
    assert flops(capsys, "axial-26", *options) == pytest.approx(33.9e9, rel=0.02)
    assert flops(capsys, "axial-26", "--task", "semantic") == flops(capsys, "axial-26", *options)


def head_macs(inputs: int, width: int, classes: int, positions: int) -> int:
    branches = positions * (inputs * width + 3 * 9 * inputs * width) + inputs * width
    return branches + positions * (9 * 5 * width * width + width * classes)


@pytest.mark.parametrize("name", ["resnet-18", "resnet-26", "local-26", "axial-38"])
def test_the_closed_form_of_the_backbone_and_a_head_by_hand_give_the_same(name):
    size, classes = 320, 7
    model = CostModel(classes, 3, size)
    inputs = BASELINES[name].skeleton.widths[-1]
    linear = inputs * classes  # of the classifier, which a backbone lacks
    expected = model(BASELINES[name]).macs - linear + head_macs(inputs, 512, classes, 10 * 10)
    assert segmentation_cost(BASELINES[name], "semantic", size=size, classes=classes).macs == expected


def test_a_deep_stem_costs_what_its_three_convolutions_cost(capsys):
    deep, plain = (flops(capsys, "resnet-26", "--task", "semantic", "--stem", s) for s in ("deep", "plain"))
    positions = 256 * 256
    expected = positions * (27 * 32 + 9 * 32 * 32 + 9 * 32 * 64 - 3 * 49 * 64)
    assert deep - plain == 2 * expected


def test_mistakes_are_one_line(capsys):
    for arguments, message in (
        (["axial-26", "--stem", "deep"], "--stem: found deep without --task"),
        (["resnet-19", "--task", "semantic"], "resnet-19: found no such file"),
        (["axial-26", "--task", "semantic", "--size", "0"], "--size: found 0"),
    ):
        assert main(["count", *arguments]) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
