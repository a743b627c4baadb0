"""Sequential halving, as a function of losses: who is trained how often, and who wins."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces.small import TABLE
from tests.helpers.architectures import random_architectures
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.finalists.halving import (
    Rung,
    choose,
    mean_loss,
    order,
    rungs,
    stands_alone,
    steps_in_turn,
    training_steps,
    trials,
    waiting,
)
from trionet_nni.finalists.in_process import run_finalists

NETWORKS = random_architectures(TABLE, 40)
ALONE = [
    Architecture(TABLE.space, tuple((choices.smallest,) * min(depths) for depths in TABLE.depths))
    for choices in TABLE.operators
]
CONV = ALONE[0]


def test_one_training_each_unless_the_better_half_is_trained_again() -> None:
    assert rungs(6, 1000) == (Rung(1, 6, 1000),)
    ladder = rungs(6, 1000, repeats=3)
    assert ladder == (Rung(1, 6, 1000), Rung(2, 3, 1000), Rung(3, 2, 1000))
    assert trials(ladder) == 11 and trials(ladder, budgets=2) == 22
    assert training_steps(ladder) == 11 * 1000 and training_steps(ladder, 2) == 22 * 1000
    assert [rung.networks for rung in rungs(2, 7, repeats=3)] == [2, 2, 2]


@given(count=st.integers(2, 100), steps=st.integers(1, 10**6), repeats=st.integers(1, 8))
def test_a_ladder_halves_networks_and_keeps_two(count: int, steps: int, repeats: int) -> None:
    ladder = rungs(count, steps, repeats)
    assert ladder[0].networks == count and len(ladder) == repeats
    assert {rung.steps for rung in ladder} == {steps}
    for lower, upper in pairwise(ladder):
        assert upper.networks == max(2, (lower.networks + 1) // 2)


@given(
    count=st.integers(2, 12),
    available=st.integers(0, 13),
    values=st.lists(st.floats(0, 10), min_size=52, max_size=52),
)
def test_everybody_trains_in_time_and_the_lowest_mean_of_the_last_rung_wins(
    count: int, available: int, values: list[float]
) -> None:
    ladder, finalists = rungs(count, 100, repeats=4), NETWORKS[: min(available, count)]
    told = {(network.hash, rung.number): values.pop() for network in finalists for rung in ladder}
    trained: list[tuple[str, int]] = []

    def train(network: Architecture, rung: Rung) -> float:
        trained.append((network.hash, rung.number))
        return told[trained[-1]]

    def mean(name: str, number: int) -> float:
        return fmean(told[name, one] for one in range(1, number + 1))

    ended = run_finalists(finalists, ladder, train)
    assert sorted(network.hash for network, _, _ in ended) == sorted(one.hash for one in finalists)
    assert len(set(trained)) == len(trained) <= trials(ladder)
    assert [number for _, number in trained] == sorted(number for _, number in trained)
    assert [loss for _, _, loss in ended] == [mean(one.hash, rung.number) for one, rung, _ in ended]
    keys = [(-rung.number, loss) for _, rung, loss in ended]
    assert keys == sorted(keys)
    for rung in ladder:
        there = [name for name, number in trained if number == rung.number]
        before = rung.number - 1
        below = {mean(name, before) for name, number in trained if number == before}
        assert len(there) == min(rung.networks, len(finalists))
        # Nobody who went on was worse up to the rung below than somebody who did not.
        for name in there if before else ():
            assert sum(loss < mean(name, before) for loss in below) < rung.networks


def test_the_mean_decides_and_not_the_last_training() -> None:
    ladder, (one, other) = rungs(2, 10, repeats=2), NETWORKS[:2]
    losses = {(one.hash, 1): 0.2, (one.hash, 2): 0.5, (other.hash, 1): 0.4, (other.hash, 2): 0.4}
    assert mean_loss(one, ladder[1], losses) == 0.35 and mean_loss(one, ladder[0], losses) == 0.2
    assert [network for network, _ in order([other, one], ladder, losses)] == [one, other]
    assert mean_loss(one, ladder[1], {**losses, (one.hash, 1): None}) is None


def test_it_goes_on_with_any_part_of_the_losses() -> None:
    ladder, finalists = rungs(5, 100, repeats=2), NETWORKS[:5]
    losses: dict[tuple[str, int], float | None] = {}
    begun = waiting(finalists, ladder, losses)
    assert [one.architecture for one in begun] == finalists and {one.rung for one in begun} == {ladder[0]}
    for value, one in zip((5.0, 1.0, 4.0), begun, strict=False):
        losses[one.key] = value
    assert waiting(finalists, ladder, losses) == begun[3:]
    assert [network for network, _ in order(finalists, ladder, losses)] == [
        finalists[1], finalists[2], finalists[0]
    ]  # fmt: skip


def test_who_cannot_be_trained_takes_nobody_s_place() -> None:
    ladder, finalists = rungs(5, 100, repeats=2), NETWORKS[:5]
    losses: dict[tuple[str, int], float | None] = {
        (network.hash, 1): loss
        for network, loss in zip(finalists, (None, 3.0, None, 1.0, None), strict=True)
    }
    assert [one.architecture for one in waiting(finalists, ladder, losses)] == [finalists[3], finalists[1]]
    losses |= {(finalists[3].hash, 2): None, (finalists[1].hash, 2): 2.0}
    assert not waiting(finalists, ladder, losses)
    assert order(finalists, ladder, losses) == [(finalists[1], ladder[1]), (finalists[3], ladder[0])]


MIXED = [network for network in NETWORKS if not stands_alone(network)]


@pytest.mark.parametrize("count", [2, 4, 9])
def test_finalists_differ_in_operators_and_each_operator_stands_alone(count: int) -> None:
    ranked = [*MIXED, *ALONE]
    chosen = choose(ranked, count)
    alone = ALONE[: count - 1]
    assert len(chosen) == count and chosen[0] == ranked[0] and set(alone) <= set(chosen)
    assert len({network.operators for network in chosen}) == count
    assert list(chosen) == sorted(chosen, key=ranked.index)
    worst = max(ranked.index(network) for network in chosen if network not in alone)
    for network in ranked[:worst]:  # a better one is left out only for the sake of another layout
        if network not in chosen:
            better = [one for one in chosen if one.operators == network.operators]
            assert ranked.index(better[0]) < ranked.index(network)


def test_of_an_operator_alone_the_best_takes_part_and_its_copies_do_not() -> None:
    larger = Architecture(TABLE.space, tuple((block, block) for (block,) in CONV.stages))
    chosen = choose([CONV, larger, *MIXED], 3)
    assert chosen == (CONV, larger, MIXED[0])  # another depth is another layout
    assert choose([CONV, *MIXED, *ALONE[1:]], 3) == (CONV, MIXED[0], ALONE[1])


def test_what_there_is_takes_part() -> None:
    same = [
        network for network in random_architectures(TABLE, 400) if network.operators == MIXED[0].operators
    ]
    assert choose([], 3) == () and choose([CONV], 3) == (CONV,)
    assert choose(same[:3], 3) == tuple(same[:3])
    assert choose([CONV, MIXED[0]], 2) == (CONV, MIXED[0])


def test_neither_torch_nor_nni_is_needed() -> None:
    code = (
        "import sys, trionet_nni.finalists.in_process; "
        "print({'torch', 'nni', 'lightning_fabric'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@given(st.integers(2, 20), st.integers(1, 5), st.integers(1, 3), st.integers(1, 9))
def test_steps_in_turn_are_those_of_the_busiest_worker(
    count: int, repeats: int, budgets: int, workers: int
) -> None:
    ladder = rungs(count, 7, repeats)
    free = [0] * workers  # when each is free again
    for rung in ladder:
        free = [max(free)] * workers  # the rung below is complete
        for _ in range(budgets * rung.networks):
            free[free.index(min(free))] += rung.steps
    assert steps_in_turn(ladder, budgets, workers) == max(free)
