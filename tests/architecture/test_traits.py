"""Traits of a network: as many for every one, and what they say."""

from __future__ import annotations

from math import log2

from spaces.small import TABLE
from spaces.tiny import TABLE as TINY
from tests.helpers.architectures import random_architectures
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.architecture.traits import traits


def extreme(table: SpaceTable, operator: str, *, large: bool) -> Architecture:
    choices = table.choices(operator)
    block = choices.largest if large else choices.smallest
    return Architecture(table.space, tuple((block,) * max(depths) for depths in table.depths))


def test_options_are_placed_in_their_row() -> None:
    stages = len(TINY.depths)
    for large in (False, True):
        found = traits(extreme(TINY, "local", large=large), TINY, 4.0)
        assert found[:stages] == [2.0, 2.0] and found[stages] == log2(4.0)
        assert found[stages + 1 : 3 * stages + 1] == [0.0] * 2 * stages  # neither the first nor the third
        assert found[3 * stages + 1 :] == [float(large)] * 5


def test_an_option_that_no_block_has_is_in_the_middle() -> None:
    found = traits(extreme(TINY, "conv", large=True), TINY, 1.0)
    assert found[-5:] == [1.0, 1.0, 0.5, 0.5, 0.5]  # expansion, kernel; qk, v and heads are attention's
    assert found[3:7] == [1.0, 0.0, 1.0, 0.0]


def test_every_network_has_as_many_and_different_ones_differ() -> None:
    found = [tuple(traits(one, TABLE, 1e6)) for one in random_architectures(TABLE, 60)]
    assert len({len(one) for one in found}) == 1 and len(set(found)) > 50
