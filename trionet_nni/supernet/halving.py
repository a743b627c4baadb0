"""Successive halving over images: a candidate is measured on more of them only while it is among the best.

Synchronous halving waits for a whole generation; the search here has none. As in its asynchronous form
(Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020), a candidate is compared with
those that reached the same rung before it. The decision is a function of the stored results alone, so a
resumed search decides as an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from trionet_nni.settings.project import HalvingConfig

Rungs = tuple[float, ...]  # accuracies of one candidate after each rung that it reached


class GoesOn(Protocol):
    """The rule, as an evaluation asks it."""

    @property
    def images(self) -> tuple[int, ...]:
        """How many images have been seen at the end of each rung; the last are all."""
        ...

    def goes_on(self, rung: int, accuracy: float) -> bool:
        """Whether a candidate with this accuracy after rung number `rung` is measured further."""
        ...


class Halving:
    """The rule over a history of candidates.

    Args:
        config: shares of the images and of the candidates.
        images: all images of the search split.
        history: the rungs of every candidate so far, in order of arrival.
    """

    def __init__(self, config: HalvingConfig, images: int, history: Callable[[], Sequence[Rungs]]) -> None:
        self._config, self._history = config, history
        lower = (max(1, round(share * images)) for share in config.shares)
        self.images = (*sorted({count for count in lower if count < images}), images)

    def goes_on(self, rung: int, accuracy: float) -> bool:
        """Whether a candidate is among the best `keep` of the latest that reached this rung."""
        reached = [rungs[rung] for rungs in self._history() if len(rungs) > rung]
        if len(reached) < self._config.first:
            return True
        latest = reached[-self._config.recent :]
        better = sum(other > accuracy for other in latest)
        return better < self._config.keep * (len(latest) + 1)
