"""Finalists without nnictl: one training after the other here, for measurements. No torch, no NNI."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.finalists.field import Field
from trionet_nni.finalists.halving import Rung, mean_loss, order, waiting

Train = Callable[[Architecture, Rung], float]


def run_field(field: Field, ladder: Sequence[Rung], train: Train) -> list[tuple[Architecture, Rung, float]]:
    """Train the pilots of a search with one budget, if it has any, and then all finalists, as below."""
    pilots = [one for bracket in field.pilots() for one in bracket]
    losses = {one.hash: train(one, ladder[0]) for one in pilots}
    (finalists,) = field.finalists([pilots] if pilots else [], losses)
    return run_finalists(finalists, ladder, train, {(name, 1): loss for name, loss in losses.items()})


def run_finalists(
    finalists: Sequence[Architecture],
    ladder: Sequence[Rung],
    train: Train,
    known: Mapping[tuple[str, int], float] | None = None,
) -> list[tuple[Architecture, Rung, float]]:
    """Halve finalists as an experiment does.

    Args:
        finalists: of one budget, as `trionet_nni.finalists.field.Field` gives them.
        ladder: as `trionet_nni.finalists.halving.rungs` gives it.
        train: trains a network from scratch on a rung, and gives its validation loss; see
            `trionet_nni.finalists.train`.
        known: losses of before, by (hash, number of the rung).

    Returns:
        The winner first: network, the last rung that it was trained on, and its mean loss up to there.
    """
    losses: dict[tuple[str, int], float | None] = dict(known or {})
    while missing := waiting(finalists, ladder, losses):
        for one in missing:
            losses[one.key] = train(one.architecture, one.rung)
    ended = []
    for network, rung in order(finalists, ladder, losses):
        loss = mean_loss(network, rung, losses)
        assert loss is not None
        ended.append((network, rung, loss))
    return ended
