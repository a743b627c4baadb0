"""Pilots: some candidates are trained from scratch first, and say which others to train.

Supernets err, all of them alike, and what they err about has names: depth, an operator
(docs/results.md). So a few candidates of all ranks are trained, a ridge regression learns a network's loss
from its traits and from the supernet's loss, and the candidates that it puts first are trained as well. A
pilot is a finalist like any other: its training counts, and a good one goes on.

Predictors of this kind are usual in the field (White et al. 2021, "How Powerful are Performance Predictors
in Neural Architecture Search?"); that one of them corrects a supernet is this project's choice, and not
the paper's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.architecture.traits import traits
from trionet_nni.finalists.halving import best_alone
from trionet_nni.settings.project import Metric
from trionet_nni.supernet.results import Evaluation

RIDGE = 5.0  # α, on standardized traits


def choose_pilots(ranked: Sequence[Architecture], count: int) -> tuple[Architecture, ...]:
    """The best of each operator alone, and others at equal distances in the ranking.

    Args:
        ranked: the candidates of one budget, the best first.
        count: how many; as many as there are operators, and some more.

    Returns:
        `count` networks, or all where there are fewer, in the order of `ranked`.
    """
    chosen = best_alone(ranked)[:count]
    others = [one for one in ranked if one not in chosen]
    missing = min(count - len(chosen), len(others))
    places = [place * (len(others) - 1) // max(1, missing - 1) for place in range(missing)]
    wanted = {one.hash for one in (*chosen, *(others[place] for place in places))}
    return tuple(one for one in ranked if one.hash in wanted)


def follow(
    candidates: Sequence[Evaluation], guesses: Iterable[float], pilots: Iterable[Architecture], count: int
) -> tuple[Architecture, ...]:
    """Whom the pilots recommend: the candidates with the lowest guesses, different in operators or depths.

    They differ from each other, and may have the operators of a pilot, whose options were chance. Where
    there are fewer different ones, the best of the rest fill up.

    Args:
        candidates: of one budget.
        guesses: their losses, as `predicted` gives them.
        pilots: of this budget; they take part anyway.
        count: how many.

    Returns:
        `count` networks, or fewer where there are fewer, the most promising first.
    """
    taken = {one.hash for one in pilots}
    pairs = zip(guesses, (one.architecture for one in candidates), strict=True)
    ordered = [one for _, one in sorted(pairs, key=lambda pair: pair[0]) if one.hash not in taken]
    different = dict[str, Architecture]()
    for network in ordered:
        different.setdefault(network.operators, network)
    first = {network.hash: network for network in different.values()}
    return tuple((first | {one.hash: one for one in ordered}).values())[:count]


def predicted(
    pilots: Sequence[Evaluation],
    losses: Sequence[float],
    candidates: Sequence[Evaluation],
    table: SpaceTable,
    metric: Metric,
) -> NDArray[np.float64]:
    """The losses from scratch that pilots let expect of candidates, nats.

    Args:
        pilots: as the supernet sees them; at least one.
        losses: of each pilot, from scratch.
        metric: what the supernet ranks candidates by, and the regression knows of it.
    """
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def known(one: Evaluation) -> list[float]:
        return [one.score(metric), *traits(one.architecture, table, one.flops)]

    model: Any = make_pipeline(StandardScaler(), Ridge(alpha=RIDGE))
    model.fit([known(one) for one in pilots], losses)
    return np.asarray(model.predict([known(one) for one in candidates]), np.float64)


def followers(
    budgets: Sequence[Sequence[Evaluation]],
    pilots: Sequence[Sequence[Architecture]],
    losses: Mapping[str, float],
    table: SpaceTable,
    metric: Metric,
    count: int,
) -> list[list[Architecture]]:
    """The finalists of each budget: its pilots, and whom those of all budgets recommend.

    Args:
        budgets: the candidates of each budget, the best by the supernet first.
        pilots: of each budget.
        losses: of the pilots that have one, by hash.
        count: of finalists beside the pilots. Where no pilot has a loss, the supernet's own first ones.
    """
    known = list({one.architecture.hash: one for ranked in budgets for one in ranked}.values())
    trained = [one for one in known if one.architecture.hash in losses]
    found = []
    for ranked, group in zip(budgets, pilots, strict=True):
        guesses: Iterable[float] = range(len(ranked))
        if trained and ranked:
            told = [losses[one.architecture.hash] for one in trained]
            guesses = predicted(trained, told, ranked, table, metric).tolist()
        found.append([*group, *follow(ranked, guesses, group, count)])
    return found
