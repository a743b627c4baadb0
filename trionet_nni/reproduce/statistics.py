"""Means over seeds, and whether a difference between two settings is more than noise."""

from __future__ import annotations

import math
import statistics
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

RESAMPLES = 9_999  # of a bootstrap
_CONFIDENCE = 0.90  # of the two-sided interval: 5 % on each side
_MOST_SEEDS = 100  # beyond this many nobody would run them

Verdict = Literal["held", "not shown", "reversed"]


@dataclass(frozen=True)
class Spread:
    """Values over seeds.

    Attributes:
        sd: standard deviation of a single run (n − 1), 0 for one.
    """

    mean: float
    sd: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Their mean and standard deviation."""
        sd = statistics.stdev(values) if len(values) > 1 else 0.0
        return cls(statistics.fmean(values), sd, len(values))

    def percent(self) -> str:
        """As `76.9 ± 0.3`, the values being shares of 1."""
        mean = f"{100 * self.mean:.1f}"
        return f"{mean} ± {100 * self.sd:.1f}" if self.count > 1 else mean


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper of the form "a is more accurate than b", put to the test seed by seed.

    Attributes:
        text: the sentence.
        differences: a − b of each seed, shares of 1.
        paper: what the paper prints for a − b, where it prints numbers.
        unit: of the differences: shares of 1, or losses.
    """

    text: str
    differences: tuple[float, ...]
    paper: float | None = None
    unit: Literal["share", "loss"] = "share"

    @classmethod
    def of(cls, text: str, a: Sequence[float], b: Sequence[float], paper: float | None = None) -> Claim:
        """A claim from the values of both sides, seed by seed in the same order."""
        return cls(text, tuple(x - y for x, y in zip(a, b, strict=True)), paper)

    @classmethod
    def of_losses(cls, text: str, better: Sequence[float], worse: Sequence[float]) -> Claim:
        """A claim of the form "the loss of the first is less", from both sides' losses: worse − better."""
        return cls(text, tuple(y - x for x, y in zip(better, worse, strict=True)), unit="loss")

    @property
    def interval(self) -> tuple[float, float] | None:
        """90 % interval of the mean difference by Student's t; None for a single seed."""
        count = len(self.differences)
        if count < 2:
            return None
        from scipy.stats import t

        spread = Spread.of(self.differences)
        half = float(t.ppf((1 + _CONFIDENCE) / 2, count - 1)) * spread.sd / math.sqrt(count)
        return spread.mean - half, spread.mean + half

    @property
    def verdict(self) -> Verdict:
        """Held or reversed only where the whole interval lies on one side of zero."""
        if self.interval is None:
            return "not shown"
        low, high = self.interval
        return "held" if low > 0 else "reversed" if high < 0 else "not shown"

    @property
    def deciding(self) -> int | None:
        """How many seeds would decide it, if they differed as these do: the interval would leave zero out.

        None where it is decided, for one seed, or where more than `_MOST_SEEDS` would be needed.
        """
        if self.verdict != "not shown" or len(self.differences) < 2:
            return None
        from scipy.stats import t

        spread, fewest = Spread.of(self.differences), len(self.differences) + 1
        for count in range(fewest, _MOST_SEEDS + 1):
            quantile = float(t.ppf((1 + _CONFIDENCE) / 2, count - 1))
            if quantile * spread.sd / math.sqrt(count) < abs(spread.mean):
                return count
        return None

    @property
    def for_it(self) -> str:
        """In how many seeds it was so."""
        return f"{sum(value > 0 for value in self.differences)} of {len(self.differences)}"


@dataclass(frozen=True)
class Rank:
    """Kendall's τ-b with a 95 % bootstrap interval; all NaN where nothing can be ranked."""

    tau: float
    low: float
    high: float


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> Rank:
    """Kendall's τ-b of pairs; the interval resamples the pairs with a fixed seed.

    A resample in which one side is the same everywhere ranks nothing: its τ is NaN, and it is left out.
    scipy's own interval would be NaN because of a single one, so it is read from scipy's distribution.
    """
    import numpy as np
    from scipy.stats import DegenerateDataWarning, bootstrap, kendalltau

    def tau(x: Any, y: Any, axis: int = -1) -> Any:
        return kendalltau(x, y, axis=axis).statistic

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)  # of that NaN
        found = bootstrap(
            (a, b),
            tau,
            paired=True,
            n_resamples=RESAMPLES,
            method="percentile",
            rng=np.random.default_rng(0),
        )
    taus = found.bootstrap_distribution[~np.isnan(found.bootstrap_distribution)]
    low, high = np.percentile(taus, [2.5, 97.5]) if taus.size else (math.nan, math.nan)
    return Rank(float(tau(a, b)), float(low), float(high))
