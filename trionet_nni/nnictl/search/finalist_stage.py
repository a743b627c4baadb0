"""The last stage of an experiment: its best candidates are trained from scratch, each as a trial.

What is next follows from the losses that are stored (`trionet_nni.finalists.halving.waiting`). So this
stage has no state of its own: after a resume it goes on from the store, and the engine knows its trials as
it knows those of candidates.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from nni.nas.space import ModelStatus

from trionet_nni.architecture.architecture import Architecture, Sample
from trionet_nni.finalists.field import Field
from trionet_nni.finalists.halving import Rung, Training, trials
from trionet_nni.finalists.results import FinalistStore
from trionet_nni.nnictl.candidate.finalist import parameters_of, training_of
from trionet_nni.nnictl.candidate.job import FINALIST, SUPERNET

_log = logging.getLogger("trionet_nni.finalists")


@dataclass
class FinalistModel:
    """A finalist on one rung, in the engine's hands as a candidate is; no strategy sees it."""

    training: Training
    status: ModelStatus = ModelStatus.Frozen

    @property
    def architecture(self) -> Architecture:
        """The network."""
        return self.training.architecture

    @property
    def sample(self) -> Sample:
        """The parameters of its trial."""
        return parameters_of(self.training)


class Engine(Protocol):
    """What the stage needs of `AdvisorEngine`."""

    def room_for(self, count: int) -> None:
        """Have NNI take so many further trials."""

    def idle_worker_available(self) -> bool:
        """Wait for one; False when the search has to stop."""

    def submit_finalist(self, model: FinalistModel) -> None:
        """Start its trial."""

    def wait_models(self) -> None:
        """Wait until nothing runs or waits for another trial."""


class FinalistStage:
    """Trains finalists, rung by rung.

    Args:
        space: the name that its architectures have.
        field: who takes part.
    """

    def __init__(self, store: FinalistStore, ladder: Sequence[Rung], space: str, field: Field) -> None:
        self.store, self.ladder, self._space, self._field = store, ladder, space, field

    @property
    def begun(self) -> bool:
        """Whether the search before it is over: who takes part is settled, and no candidate may follow."""
        return self.store.settled() is not None

    def run(self, engine: Engine) -> bool:
        """Train all finalists on their last rung; False when the search has to stop before."""
        while missing := self._next():
            _log.info("finalists: %d to be trained on rung %d", len(missing), missing[0].rung.number)
            engine.room_for(len(missing))
            for one in missing:
                if not engine.idle_worker_available():
                    return False
                engine.submit_finalist(FinalistModel(one))
            engine.wait_models()
        return True

    def _next(self) -> list[Training]:
        """What has to be trained now; who takes part is settled as soon as it is known."""
        if not self.begun and (pilots := self._field.pilots()):
            self.store.choose_pilots(pilots)
        missing = self.store.missing(self.ladder)
        if missing or self.store.chosen() is not None:
            return missing
        pilots = self.store.pilots() or []
        self.store.choose(self._field.finalists(pilots, self._first_losses(pilots)))
        return self.store.missing(self.ladder)

    def _first_losses(self, brackets: Sequence[Sequence[Architecture]]) -> dict[str, float]:
        known = self.store.losses((one for bracket in brackets for one in bracket), self.ladder[:1])
        return {name: loss for (name, _), loss in known.items() if loss is not None}

    def trials(self, budgets: int) -> int:
        """How many trials it takes at most."""
        return trials(self.ladder, budgets)

    def labels(self) -> dict[str, dict[str, Any]]:
        """What a finalist's parameters have beside the network's, as NNI's `searchSpace`."""
        values = {
            "stage": [SUPERNET["stage"], FINALIST],
            "rung": [rung.number for rung in self.ladder],
            "steps": [rung.steps for rung in self.ladder],
        }
        return {label: {"_type": "choice", "_value": found} for label, found in values.items()}

    def sign(self, parameters: Sample) -> float:
        """When a finalist's training last wrote something, another number each time; 0 before that."""
        return self.store.sign(self.model(parameters).training)

    def model(self, parameters: Sample) -> FinalistModel:
        """The finalist of a trial that was started before a resume.

        Raises:
            InputError: the parameters are of no finalist.
        """
        return FinalistModel(training_of(parameters, self._space, self.ladder))
