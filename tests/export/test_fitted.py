"""What is fitted to whole networks: known factors are found again, and new networks keep the margin."""

from __future__ import annotations

import numpy as np
import pytest

from trionet_nni.export.deploy.fitted import fit

OPERATORS = ("conv", "local", "axial")
OUTSIDE, FACTORS = 0.3, np.array([0.7, 1.1, 1.2])


def drawn(count: int, noise: float, seed: int) -> tuple[list[dict[str, float]], list[float]]:
    """Sums by operator, and times of networks whose blocks take `FACTORS` of them, noise as a share."""
    random = np.random.default_rng(seed)
    sums = random.uniform(0.5, 2.0, (count, 3)) * random.integers(0, 2, (count, 3))
    sums[:, 0] += 0.2
    times = (OUTSIDE + sums @ FACTORS) * np.exp(noise * random.standard_normal(count))
    return [dict(zip(OPERATORS, row.tolist(), strict=True)) for row in sums], times.tolist()


def test_known_factors_are_found() -> None:
    found = fit(*drawn(32, 0.0, 0), OPERATORS)
    assert found.outside == pytest.approx(OUTSIDE, abs=0.01)
    assert [found.scales[name] for name in OPERATORS] == pytest.approx(FACTORS, rel=0.02)
    assert found.margin < 0.005


def test_new_networks_keep_the_margin_but_for_one_in_many() -> None:
    kept = []
    for seed in range(40):
        found = fit(*drawn(32, 0.1, seed), OPERATORS)
        sums, times = drawn(200, 0.1, 1000 + seed)
        predicted = [found.outside + sum(found.scales[k] * v for k, v in one.items()) for one in sums]
        kept.append(np.mean(np.array(times) <= (1 + found.margin) * np.array(predicted)))
    assert np.mean(kept) == pytest.approx(32 / 33, abs=0.015)  # as where no one of 33 is special


def test_an_operator_that_no_network_has_takes_the_common_factor() -> None:
    totals, times = drawn(32, 0.0, 0)
    found = fit(totals, times, (*OPERATORS, "other"))
    assert found.scales["other"] == pytest.approx(found.scale)
