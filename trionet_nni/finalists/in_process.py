"""Finalists without nnictl: one training after the other here, for measurements. No torch, no NNI."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.finalists.halving import Rung, mean_loss, order, waiting


def run_finalists(
    finalists: Sequence[Architecture],
    ladder: Sequence[Rung],
    train: Callable[[Architecture, Rung], float],
) -> list[tuple[Architecture, Rung, float]]:
    """Halve finalists as an experiment does.

    Args:
        finalists: as `trionet_nni.finalists.halving.choose` gives them.
        ladder: as `trionet_nni.finalists.halving.rungs` gives it.
        train: trains a network from scratch on a rung, and gives its validation loss; see
            `trionet_nni.finalists.train`.

    Returns:
        The winner first: network, the last rung that it was trained on, and its mean loss up to there.
    """
    losses: dict[tuple[str, int], float | None] = {}
    while missing := waiting(finalists, ladder, losses):
        for one in missing:
            losses[one.key] = train(one.architecture, one.rung)
    ended = []
    for network, rung in order(finalists, ladder, losses):
        loss = mean_loss(network, rung, losses)
        assert loss is not None
        ended.append((network, rung, loss))
    return ended
