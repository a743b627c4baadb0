"""(c): does a supernet rank networks that it has not chosen as training from scratch does?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.worth.case import SEEDS, Case
from benchmarks.worth.errors import supernet_errors
from benchmarks.worth.plan import SHORTER, ranked, shorter
from benchmarks.worth.scoring import Scoring
from benchmarks.worth.scratch import Training
from benchmarks.worth.source import Given
from benchmarks.worth.statistics import allowed, of_both, per_doubling, reliability, without_noise
from benchmarks.worth.unit import Bench
from trionet_nni.reproduce.statistics import rank_correlation

Row = dict[str, Any]
_FEWEST = 10  # networks that a rank correlation is told of
_SIGN = {"loss": -1.0, "accuracy": 1.0}  # the larger the better


def rank_fidelity(case: Case, bench: Bench, times: float = 1.0) -> dict[str, Any]:
    """For either set of networks: rows of τ, one a ranking; for the whole range also the slopes.

    Args:
        times: the length of the trainings from scratch ÷ the recipe's.
    """
    found: dict[str, Any] = {}
    for name, everyone in ranked(case).items():
        networks, trained = _trained(case, everyone, bench, times)
        if len(networks) < _FEWEST:
            continue
        by_supernet = _scores(case, everyone, networks, bench)
        rankings = {f"supernet {seed}": row for seed, row in by_supernet.items()}
        rankings |= _cut_short(case, networks, bench)
        flops = [case.cost(given.architecture).flops for given in networks]
        found[name] = {
            "networks": len(networks),
            "trainings": len(trained),
            "rows": _rows(trained, rankings, flops),
            "best_of_all": {
                measure: best_of_all([[one[measure] for one in row] for row in trained], _SIGN[measure])
                for measure in ("accuracy", "loss")
            },
        }
        if name == "range" and by_supernet:
            found[name]["slopes"] = _slopes(trained, by_supernet, flops)
    return found


def best_of_all(trained: Sequence[Sequence[float]], sign: float) -> dict[str, float | None]:
    """What random networks have, and what whoever trains all of them once finds: what is there to find.

    Args:
        trained: values by training, then network.
        sign: 1 where larger is better, −1 where smaller is.

    Returns:
        "mean" of all, and "sd" of the networks' means; "chosen": of the best of one training, its value in
        another one, mean over all pairs of trainings, so that luck is not counted; None with one training.
    """
    values = np.array(trained)
    best = (sign * values).argmax(1)
    pairs = itertools.permutations(range(len(values)), 2)
    found = [values[other, best[one]] for one, other in pairs]
    return {
        "mean": float(values.mean()),
        "sd": float(values.mean(0).std(ddof=1)),
        "chosen": float(np.mean(found)) if found else None,
    }


def where_supernets_err(case: Case, bench: Bench, times: float = 1.0) -> Row | None:
    """See `supernet_errors`; None before both sets are trained and scored by two supernets."""
    sets, truth, scores = {}, {}, {}
    for name, everyone in ranked(case).items():
        networks, trained = _trained(case, everyone, bench, times)
        by_supernet = _scores(case, everyone, networks, bench)
        if len(networks) < _FEWEST or len(by_supernet) < 2:
            return None
        sets[name] = [one.architecture for one in networks]
        scores[name] = {seed: [one["loss"] for one in row] for seed, row in by_supernet.items()}
        truth[name] = np.mean([[one["loss"] for one in row] for row in trained], axis=0).tolist()
    return supernet_errors(case, sets, truth, scores)


def _scores(case: Case, everyone: list[Given], networks: list[Given], bench: Bench) -> dict[int, list[Row]]:
    """What supernets say of some networks of a set, by seed."""
    found = {seed: bench.result(Scoring(case, tuple(everyone), seed)) for seed in SEEDS}
    return {
        seed: [one["scores"][given.key] for given in networks]
        for seed, one in found.items()
        if one is not None
    }


def _cut_short(case: Case, networks: list[Given], bench: Bench) -> dict[str, list[Row]]:
    """What trainings that were cut short say, where all networks have them."""
    found = {}
    for times in SHORTER:
        results = [bench.result(shorter(case, given, times)) for given in networks]
        if all(results):
            found[f"one training of {times:g} of the recipe's steps"] = [
                one for one in results if one is not None
            ]
    return found


def _trained(
    case: Case, everyone: list[Given], bench: Bench, times: float
) -> tuple[list[Given], list[list[Row]]]:
    """Networks that are trained so far, which are as random as all, and results by seed, then network.

    Seeds beyond the first count where all of these networks were trained with them.
    """

    def result(given: Given, seed: int) -> Row | None:
        return bench.result(Training(case, given, seed, times=times))

    networks = [given for given in everyone if result(given, SEEDS[0])]
    seeds = [[result(given, seed) for given in networks] for seed in SEEDS]
    return networks, [[one for one in row if one is not None] for row in seeds if all(row)]


def _rows(trained: list[list[Row]], rankings: dict[str, list[Row]], flops: list[int]) -> list[Row]:
    rows = []
    for measure in ("loss", "accuracy"):
        truth, sure = _truth(trained, measure)
        for name, scores in rankings.items():
            guess = [_SIGN[measure] * score[measure] for score in scores]
            trust = reliability(
                [score[f"{measure}es" if measure == "loss" else "accuracies"] for score in scores]
            )
            rows.append(_row(name, measure, guess, truth, trust, sure))
        rows.append(_row("FLOPs", measure, [float(value) for value in flops], truth, 1.0, sure))
    return rows


def _truth(trained: list[list[Row]], measure: str) -> tuple[list[float], float | None]:
    """What training from scratch says, the mean over its seeds, and how reliable that is.

    Two noises: of the trainings, known from two seeds on (None before), and of the test images.
    """
    values = np.array([[_SIGN[measure] * one[measure] for one in row] for row in trained]).T
    blocks = {"loss": "losses", "accuracy": "accuracies"}[measure]
    by_block = np.mean([[one[blocks] for one in row] for row in trained], axis=0)
    sure = of_both(reliability(values), reliability(by_block)) if len(trained) > 1 else None
    return [float(value) for value in values.mean(1)], sure


def _row(
    name: str, measure: str, guess: list[float], truth: list[float], trust: float, sure: float | None
) -> Row:
    rank = rank_correlation(guess, truth)
    return {
        "ranked_by": name,
        "measure": measure,
        "tau": rank.tau,
        "low": rank.low,
        "high": rank.high,
        "reliability": trust,
        "reliability_from_scratch": sure,
        "allowed": None if sure is None else allowed(trust, sure),
        "without_noise": None if sure is None else without_noise(rank.tau, trust, sure),
    }


def _slopes(trained: list[list[Row]], supernets: dict[int, list[Row]], flops: list[int]) -> dict[str, Row]:
    """Points of accuracy for each doubling of FLOPs, means over supernets and over trainings."""
    guess = 100 * np.mean([[one["accuracy"] for one in row] for row in supernets.values()], axis=0)
    truth = 100 * np.mean([[one["accuracy"] for one in row] for row in trained], axis=0)
    names = ("supernet", "from scratch", "difference")
    slopes = per_doubling(flops, guess.tolist(), truth.tolist())
    return {name: asdict(slope) for name, slope in zip(names, slopes, strict=True)}
