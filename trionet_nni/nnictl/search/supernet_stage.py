"""The experiment's first trial: it trains the supernet, and no candidate starts before it has succeeded."""

from __future__ import annotations

from typing import Any, Literal

from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.files.text import last_line_of
from trionet_nni.supernet.folder import is_complete

State = Literal["waiting", "running", "done", "failed"]
_ATTEMPTS = 2


class SupernetStage:
    """Life of the supernet's trial.

    Args:
        supernet_hash: of the experiment's configuration.
    """

    def __init__(self, folder: ExperimentFolder, supernet_hash: str) -> None:
        self.folder, self.supernet_hash = folder, supernet_hash
        self.state: State = "waiting"
        self.attempts = 0
        self.parameter_id: int | None = None
        self.problem = ""

    def found(self) -> None:
        """It was trained before, and the hosts have it: no trial of it is needed."""
        self.state = "done"

    def start(self, parameter_id: int) -> None:
        """Its trial is about to be started."""
        self.attempts += 1
        self.state, self.parameter_id = "running", parameter_id

    def ended(self, trial: str) -> bool:
        """The trial has ended; whether it succeeded is read from what it left behind.

        Returns:
            Whether it has to be tried again.
        """
        if self.is_complete():
            self.state = "done"
            return False
        said = last_line_of(self.folder.trial_file(trial, "trial.stderr"), "it left no message")
        self.problem = f"the supernet's trial {trial} failed: {said}"
        self.state = "failed" if self.attempts >= _ATTEMPTS else "waiting"
        return self.state == "waiting"

    def is_complete(self) -> bool:
        """Whether a trained supernet of this configuration is there, and the experiment points at it."""
        directory = self.folder.supernet_directory(self.supernet_hash)
        return is_complete(directory, self.supernet_hash) and self.folder.supernet.exists()

    def adopt(self, parameter_id: int) -> None:
        """NNI has restarted the trial after a resume: it counts as running again."""
        self.parameter_id, self.state = parameter_id, "running"

    def put_back(self) -> None:
        """The trial was running when the search was interrupted, and NNI did not restart it."""
        self.state = "done" if self.is_complete() else "waiting"
        self.attempts = max(0, self.attempts - 1)

    def state_dict(self) -> dict[str, Any]:
        """For the saved search: {"state", "attempts", "parameter_id"}."""
        return {"state": self.state, "attempts": self.attempts, "parameter_id": self.parameter_id}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a saved state; a stage that failed, or whose weights are gone, starts anew."""
        self.state, self.attempts = state["state"], state["attempts"]
        self.parameter_id = state["parameter_id"]
        lost = self.state == "done" and not self.is_complete()
        if self.state == "failed" or lost:
            self.state, self.attempts = "waiting", 0
