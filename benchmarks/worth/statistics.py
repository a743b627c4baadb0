"""Differences over seeds, and what noise leaves of a rank correlation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trionet_nni.reproduce.statistics import RESAMPLES, Claim

Values = Mapping[int, float]  # by seed of the training


@dataclass(frozen=True)
class Difference:
    """a − b, paired by seed of the comparison.

    Attributes:
        mean: over the seeds.
        low, high: 90 % interval by Student's t over the seeds; None where there is one seed.
        seeds: how many.
    """

    mean: float
    low: float | None
    high: float | None
    seeds: int


def difference(a: Values, b: Values, search_of: Callable[[int], int]) -> Difference | None:
    """Of two networks, or rules that find one; None as long as they have no seed in common.

    Where there are several trainings for one seed of the comparison, their means are compared: a search and
    its repeated trainings give one independent value.

    Args:
        search_of: the seed of the comparison that a training's seed belongs to.
    """
    common = sorted(set(a) & set(b))
    pairs: dict[int, list[tuple[float, float]]] = {}
    for seed in common:
        pairs.setdefault(search_of(seed), []).append((a[seed], b[seed]))
    if not pairs:
        return None
    first = [float(np.mean([pair[0] for pair in found])) for found in pairs.values()]
    second = [float(np.mean([pair[1] for pair in found])) for found in pairs.values()]
    claim = Claim.of("", first, second)
    low, high = claim.interval or (None, None)
    return Difference(float(np.mean(claim.differences)), low, high, len(pairs))


def reliability(rows: ArrayLike) -> float:
    """Share of the variance of row means that is not noise: Cronbach's α, 0 to 1.

    α = 1 − MS(row × column) ÷ MS(rows) of the two-way analysis of variance with one value a cell. Rows are
    networks; columns are seeds of the training, or blocks of images. What all rows share (a hard block of
    images) is no noise. It is α of the mean over these columns; more columns have more.
    """
    values = np.asarray(rows, dtype=float)
    count, columns = values.shape
    centred = values - values.mean(0)
    means = centred.mean(1)
    rest = centred - means[:, None]
    between = columns * float((means**2).sum()) / (count - 1)
    within = float((rest**2).sum()) / ((count - 1) * (columns - 1))
    return max(0.0, 1 - within / between) if between > 0 else 0.0


def of_both(*parts: float) -> float:
    """Reliability under several independent noises, of the reliability under each: the noises add."""
    return max(0.0, 1 - sum(1 - part for part in parts))


def allowed(a: float, b: float) -> float:
    """Kendall's τ of two measurements of one and the same, whose reliabilities are a and b.

    Noise divides the correlation ρ of normal values by 1 ÷ √(a·b) (Spearman 1904), and τ = 2/π · arcsin ρ.
    """
    return 2 / math.pi * math.asin(math.sqrt(a * b))


def without_noise(tau: float, a: float, b: float) -> float | None:
    """The τ that would be seen without noise, at most 1; None where all is noise. See `allowed`."""
    if a * b <= 0:
        return None
    rho = math.sin(math.pi / 2 * tau) / math.sqrt(a * b)
    return 2 / math.pi * math.asin(max(-1.0, min(1.0, rho)))


@dataclass(frozen=True)
class Slope:
    """Of a line, with a 95 % bootstrap interval over networks."""

    value: float
    low: float
    high: float


def per_doubling(flops: Sequence[float], *sides: Sequence[float]) -> list[Slope]:
    """Least-squares slope of each side against log2 FLOPs, and last that of first − second side.

    The networks are drawn again `RESAMPLES` times, the same for all sides.
    """
    x = np.log2(np.asarray(flops, dtype=float))
    values = [np.asarray(side, dtype=float) for side in sides]
    values += [values[0] - values[1]] if len(values) > 1 else []
    drawn = np.random.default_rng(0).integers(len(x), size=(RESAMPLES, len(x)))
    return [_slope(x, side, drawn) for side in values]


def _slope(x: NDArray[np.float64], y: NDArray[np.float64], drawn: NDArray[np.int64]) -> Slope:
    def fitted(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        a, b = x[rows], y[rows]
        a = a - a.mean(-1, keepdims=True)
        slopes: NDArray[np.float64] = (a * b).sum(-1) / (a * a).sum(-1)
        return slopes

    with np.errstate(invalid="ignore"):  # one network alone, drawn again and again, has no slope: NaN
        low, high = np.nanpercentile(fitted(drawn), [2.5, 97.5])
    return Slope(float(fitted(np.arange(len(x)))), float(low), float(high))
