"""(c): where supernets err, and whether a regression over trained networks ranks better."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.worth.case import Case
from benchmarks.worth.regression import predicted_by_the_others
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.reproduce.statistics import rank_correlation

Row = dict[str, Any]


def supernet_errors(
    case: Case,
    sets: Mapping[str, Sequence[Architecture]],
    truth: Mapping[str, Sequence[float]],
    scores: Mapping[str, Mapping[int, Sequence[float]]],
) -> Row:
    """Over all sets together.

    Args:
        sets: networks, by name of the set.
        truth: of each set, mean losses from scratch.
        scores: of each set, losses by seed of the supernet.

    Returns:
        "between supernets": least and largest correlation of two supernets' errors, a supernet's loss −
        that from scratch. "traits": Spearman's ρ of the mean error with a trait, and its p. "regression":
        τ, with interval, of losses from scratch and those predicted from the other networks, by set.
    """
    networks = [one for group in sets.values() for one in group]
    true = np.concatenate([np.array(truth[name]) for name in sets])
    seeds = sorted(set.intersection(*(set(scores[name]) for name in sets)))
    errors = [np.concatenate([np.array(scores[name][seed]) for name in sets]) - true for seed in seeds]
    pairs = [float(np.corrcoef(a, b)[0, 1]) for a, b in itertools.combinations(errors, 2)]
    found: Row = {"between supernets": [min(pairs), max(pairs)] if pairs else None}
    found["traits"] = _by_trait(case, networks, np.mean(errors, axis=0)) if seeds else {}
    found["regression"] = _by_set(sets, true, predicted_by_the_others(case, networks, true))
    return found


def _by_trait(case: Case, networks: Sequence[Architecture], error: NDArray[np.float64]) -> Row:
    from scipy.stats import spearmanr

    rows = {
        "number of blocks": [sum(one.depths) for one in networks],
        "mean qk rate of attention": [_mean_rate(one) for one in networks],
        "FLOPs": [case.cost(one).flops for one in networks],
    }
    found = {}
    for name, values in rows.items():
        rank = spearmanr(values, error)
        found[name] = {"rho": float(rank.statistic), "p": float(rank.pvalue)}
    return found


def _mean_rate(network: Architecture) -> float:
    """Networks without attention are in the middle."""
    rates = [block.qk for stage in network.stages for block in stage if hasattr(block, "qk")]
    return statistics.fmean(rates) if rates else 0.75


def _by_set(
    sets: Mapping[str, Sequence[Architecture]], true: NDArray[np.float64], guess: NDArray[np.float64]
) -> Row:
    found, start = {}, 0
    for name, group in sets.items():
        part = slice(start, start + len(group))
        found[name] = asdict(rank_correlation(guess[part].tolist(), true[part].tolist()))
        start += len(group)
    return found
