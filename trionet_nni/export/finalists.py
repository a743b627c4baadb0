"""What an export takes from a search with finalists: their order, and what a card says of each."""

from __future__ import annotations

from collections.abc import Iterable

from trionet_nni.data import Splits
from trionet_nni.experiment.open import Run
from trionet_nni.export.card import Finalist
from trionet_nni.finalists.halving import rungs
from trionet_nni.finalists.results import FinalistStore, Standing
from trionet_nni.supernet.results import Evaluation


def ended(run: Run) -> list[list[Standing]]:
    """The finalists of each budget that have a result, the winner first; none before there are any."""
    limits, finalists = run.config.search.limits, run.config.search.finalists
    if finalists is None:
        return [[] for _ in limits]
    found = FinalistStore(run.folder.finalists).ordered(rungs(**dict(finalists)))
    return found or [[] for _ in limits]


def finalists_first(
    ranked: Iterable[Evaluation], finalists: Iterable[Standing]
) -> list[tuple[Evaluation, Standing | None]]:
    """The candidates of a budget: the finalists in their own order, then the others in the supernet's.

    Args:
        ranked: all candidates of the budget, the best first.
        finalists: the winner first.
    """
    by_hash = {one.architecture.hash: one for one in ranked}
    first = {one.architecture.hash: one for one in finalists}
    names = [*(name for name in first if name in by_hash), *(name for name in by_hash if name not in first)]
    return [(by_hash[name], first.get(name)) for name in names]


def finalist_card(found: Standing, run: Run, splits: Splits) -> Finalist:
    """A finalist's results and their conditions, for the card."""
    config, first = run.config, found.results[0]
    return Finalist(
        loss=found.loss,
        accuracy=found.accuracy,
        losses=[result.loss for result in found.results],
        images=first.images,
        split="search",
        steps=first.training.rung.steps,
        of=first.training.rung.steps,
        train_images=len(splits.train),
        batch_size=config.retrain.batch_size,
        learning_rate=config.retrain.learning_rate,
        seed=config.retrain.seed,
    )
