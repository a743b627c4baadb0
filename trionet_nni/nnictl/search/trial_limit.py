"""NNI's limit of trials, `maxTrialNumber`, moved while an experiment runs."""

from __future__ import annotations

import logging
import math

from trionet_nni.nnictl.manager.rest import Manager, trial_limit

_log = logging.getLogger("trionet_nni.trial_limit")


class TrialLimit:
    """The limit of one experiment.

    Args:
        reserved: trials at the end that are not for candidates; None where there is no such stage, and
            NNI alone says when there are enough.

    Attributes:
        raised: by how much `one_more` has raised the limit so far, in earlier processes too.
    """

    def __init__(self, manager: Manager, reserved: int | None = None) -> None:
        self._manager, self._reserved = manager, reserved
        self._latest = math.inf
        self.raised = 0

    def candidates(self) -> float:
        """How many there may be: what the supernet and the reserved trials leave, further attempts aside.

        The limit is asked for each time: users may move it while the experiment runs.
        """
        if self._reserved is None:
            return math.inf
        try:
            limit = trial_limit(self._manager.profile())
            self._latest = limit - 1 - self._reserved - self.raised if limit else math.inf
        except (OSError, ValueError) as error:
            _log.warning("the limit of trials is taken to be as it was: %s", error)
        return self._latest

    def room_for(self, count: int) -> bool:
        """Raise the limit where it leaves less than so many trials: users' own trials take of it too.

        Returns:
            Whether it had been reached: NNI then asks for no further trial by itself.
        """
        try:
            limit = trial_limit(self._manager.profile())
            trials = len(self._manager.jobs())
            if limit == 0 or limit >= trials + count:
                return False
            self._set(trials + count)
        except (OSError, ValueError) as error:
            _log.warning("the limit of trials stays as it is: %s", error)
            return False
        return trials >= limit

    def one_more(self) -> bool:
        """Raise it by one, for another attempt at a trial that failed.

        Returns:
            Whether it had been reached: NNI then asks for no further trial by itself.
        """
        try:
            limit = trial_limit(self._manager.profile())
            if limit == 0:
                return False  # there is none
            reached = len(self._manager.jobs()) >= limit
            self._set(limit + 1)
            self.raised += 1
        except (OSError, ValueError) as error:  # one candidate fewer; the search is as good
            _log.warning("the limit of trials stays as it is: %s", error)
            return False
        return reached

    def end_here(self) -> int:
        """Let NNI end the experiment with the trials it has; how many.

        Raises:
            OSError: the manager does not answer.
            ValueError: what answers is no manager.
        """
        trials = len(self._manager.jobs())
        self._set(trials)
        return trials

    def _set(self, limit: int) -> None:
        body = {"params": {"maxTrialNumber": limit}}
        self._manager.put("/experiment?update_type=MAX_TRIAL_NUM", body)
