"""The simulation beside searches that really ran: docs/scale.md, `python -m benchmarks.manager`."""

from __future__ import annotations

import pytest

from trionet_nni.plan.simulation import Overheads, Search, simulate

# Of the run with one worker, 2026-11-29, 2 cores; `manage` and `computing` are processor seconds.
COSTS = Overheads(manage=0.0557, advise=0.0113, before=0.5754, after=0.1366, computing=0.209 / 0.712)
MEASURED = {1: 0.649, 2: 1.130, 4: 2.217}  # workers: candidates a second, after the first 2 × workers + 2


@pytest.mark.parametrize("workers", MEASURED)
def test_it_is_within_15_percent_of_what_was_measured(workers: int) -> None:
    ends = simulate(Search(70, 0.003, workers, evaluators=min(workers, 2), cores=2), COSTS).ends
    first = 2 * workers + 2
    rate = (70 - first) / (ends[-1] - ends[first - 1])
    assert rate == pytest.approx(MEASURED[workers], rel=0.15)
