"""A search on paper: what must hold whatever its numbers are."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet_nni.plan.simulation import Overheads, Search, simulate

NOTHING = Overheads(poll=0.01, manage=0, advise=0, before=0, after=0)
SEARCHES = st.builds(
    Search,
    candidates=st.integers(1, 60),
    seconds=st.floats(0, 5),
    workers=st.integers(1, 12),
    evaluators=st.none() | st.integers(1, 4),
    cores=st.none() | st.integers(1, 4),
    spread=st.floats(0, 1),
    failures=st.floats(0, 0.5),
    retries=st.integers(0, 3),
    seed=st.integers(0, 3),
)


@settings(max_examples=150, deadline=None)
@given(SEARCHES)
def test_nothing_is_lost_and_nobody_works_for_longer_than_there_is_time(search: Search) -> None:
    outcome = simulate(search)
    assert outcome == simulate(search)  # by its seed
    assert search.candidates <= outcome.trials <= search.candidates * (1 + search.retries)
    assert len(outcome.ends) == outcome.trials and list(outcome.ends) == sorted(outcome.ends)
    assert outcome.wall == outcome.ends[-1]
    assert all(0 <= share <= 1 + 1e-9 for share in outcome.busy.values())
    assert 0 <= outcome.lost <= search.candidates


@settings(max_examples=60, deadline=None)
@given(SEARCHES)
def test_no_search_is_faster_than_its_parts(search: Search) -> None:
    costs, wall = Overheads(), simulate(dataclasses.replace(search, failures=0.0, spread=0.0)).wall
    evaluators = min(search.workers, search.evaluators or search.workers)
    assert wall >= search.candidates * search.seconds / evaluators - 1e-9
    assert wall >= search.candidates * costs.manage + costs.before + search.seconds + costs.after - 1e-9
    if search.cores is not None:
        work = costs.computing * (costs.before + costs.after)
        assert wall >= search.candidates * work / search.cores - 1e-9


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_without_overheads_workers_share_the_evaluations(workers: int) -> None:
    outcome = simulate(Search(20 * workers, 3.0, workers), NOTHING)
    assert outcome.wall == pytest.approx(60.0, rel=0.02)
    assert outcome.busy["evaluators"] == pytest.approx(1.0, rel=0.02) and outcome.limit == "evaluators"


def test_a_lone_worker_waits_for_two_looks_of_the_manager() -> None:
    """By hand: an end is seen at the next look, and the successor starts at the one after that."""
    costs = Overheads(poll=0.5, manage=0.0, advise=0.1, before=0.2, after=0.1)
    ends = simulate(Search(5, 1.0), costs).ends
    # Looks are at 0, 0.5, …: the first starts at 0.5 and ends at 1.8; seen at 2.0, the next starts at 2.5.
    assert ends == pytest.approx([1.8, 3.8, 5.8, 7.8, 9.8])


def test_failed_trials_are_tried_again_and_given_up_at_last() -> None:
    often = simulate(Search(2000, 0.0, 4, failures=0.3, retries=2, seed=1))
    assert often.trials / 2000 == pytest.approx(1 + 0.3 + 0.09, rel=0.05)
    assert often.lost / 2000 == pytest.approx(0.027, rel=0.4)
    assert simulate(Search(2000, 0.0, 4)).lost == 0


@pytest.mark.parametrize(
    ("search", "costs", "limit"),
    [
        (Search(500, 1.0, 512), Overheads(manage=0.1), "manager"),
        (Search(500, 1.0, 512), Overheads(manage=0.001, advise=0.1), "advisor"),
        (Search(500, 20.0, 8), Overheads(), "evaluators"),
        (Search(500, 0.0, 8, cores=1), Overheads(computing=1.0), "cores"),
        (Search(500, 0.0, 1), Overheads(), "waiting"),
    ],
)
def test_the_limit_is_named(search: Search, costs: Overheads, limit: str) -> None:
    assert simulate(search, costs).limit == limit


def test_a_manager_that_slows_down_with_every_trial_is_seen() -> None:
    first = simulate(Search(400, 0.0, 64), Overheads(manage_known=0.0005)).ends
    assert first[399] - first[299] > 1.5 * (first[199] - first[99])


def test_loading_is_waited_for_once() -> None:
    short, long = (simulate(Search(40, 2.0, 4, loading=seconds)).wall for seconds in (0.0, 100.0))
    assert 95 < long - short <= 101


@pytest.mark.parametrize("wrong", [{"candidates": 0}, {"workers": 0}, {"failures": 1.0}, {"spread": 1.5}])
def test_what_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="allowed: "):
        simulate(dataclasses.replace(Search(5, 1.0), **wrong))  # type: ignore[arg-type]
