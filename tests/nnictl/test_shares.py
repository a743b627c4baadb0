"""How trials of one machine have its cores: all of them together, no more than there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trionet_nni.nnictl.candidate import shares as module
from trionet_nni.nnictl.candidate.shares import at_once, cores, shares, threads_of_trial


def test_cores_are_those_of_this_process() -> None:
    assert cores() >= 1


@given(st.integers(1, 256), st.integers(1, 300), st.integers(1, 8))
def test_what_computes_at_the_same_time_fits_the_cores(count: int, concurrency: int, hosts: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "cores", lambda: count)
        threads = threads_of_trial(concurrency, hosts)
        assert 1 <= threads <= count and threads >= threads_of_trial(concurrency)
        assert shares(threads) * threads <= count
        together = at_once(concurrency)
        assert 1 <= together <= min(concurrency, count)
        assert together == min(concurrency, count)  # nobody is without a core who could have one
