from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from spaces import small, trionet
from strategies import hierarchical_sampling, uniform_sampling
from strategies.sandwich import draw, largest_of
from trionet_nni.architecture.cost import architecture_cost

DRAWS = 400


def operator_counts(sampling, table) -> list[int]:
    random = np.random.default_rng(7)
    counts: Counter[str] = Counter()
    for _ in range(DRAWS):
        counts.update(sampling.operators(table, random).values())
    return [counts[name] for name in table.operator_names]


@pytest.mark.parametrize(
    ("sampling", "ratio"),
    [(hierarchical_sampling.SAMPLING, (1, 1, 1)), (uniform_sampling.SAMPLING, (6, 48, 16))],
)
def test_operators_come_as_often_as_the_rule_says(sampling, ratio):
    counts = operator_counts(sampling, trionet.TABLE)
    expected = np.array(ratio) / sum(ratio) * sum(counts)
    assert chisquare(counts, expected).pvalue > 0.01
    other = (1, 1, 1) if ratio != (1, 1, 1) else (6, 48, 16)
    wrong = np.array(other) / sum(other) * sum(counts)
    assert chisquare(counts, wrong).pvalue < 1e-9  # the test can tell the two rules apart


def test_options_are_uniform_given_the_operator():
    random = np.random.default_rng(3)
    counts: Counter = Counter()
    beta = dict.fromkeys(small.TABLE.positions(), "local")
    for _ in range(600):
        architecture = hierarchical_sampling.SAMPLING.configuration(small.TABLE, beta, random)
        counts.update(architecture.stages[0][:1])
        counts.update([architecture.depths])
    blocks = [counts[block] for block in small.TABLE.choices("local").blocks]
    assert chisquare(blocks).pvalue > 0.01
    depths = [count for key, count in counts.items() if isinstance(key, tuple)]
    assert len(depths) == 8
    assert chisquare(depths).pvalue > 0.01


@pytest.mark.parametrize("table", [small.TABLE, trionet.TABLE])
def test_the_sandwich_has_its_slices(table):
    for seed in range(20):
        step = draw(table, hierarchical_sampling.SAMPLING, True, 2, np.random.default_rng(seed))
        smallest, largest, *others = step.subnetworks
        assert len(others) == 2
        assert step.decayed == 1
        assert smallest.depths == tuple(map(min, table.depths))
        assert largest.depths == tuple(map(max, table.depths))
        params = [architecture_cost(a).params for a in step.subnetworks]
        assert params[0] == min(params)
        assert params[1] == max(params)
        beta = dict(largest.blocks())
        for architecture in step.subnetworks:  # one β for all
            for label, block in architecture.blocks():
                assert block.operator == beta[label].operator


def test_without_the_rule_as_many_random_networks_are_drawn():
    step = draw(small.TABLE, hierarchical_sampling.SAMPLING, False, 2, np.random.default_rng(0))
    assert len(step.subnetworks) == 4
    sizes = [architecture_cost(a).params for a in step.subnetworks]
    assert sizes[step.decayed] == max(sizes)


def test_the_largest_of_an_operator_is_all_of_it():
    architecture = largest_of(trionet.TABLE, "axial")
    assert {block for _, block in architecture.blocks()} == {trionet.TABLE.choices("axial").largest}
