"""NNI's limit of trials, `maxTrialNumber`, moved while an experiment runs."""

from __future__ import annotations

import logging

from trionet_nni.nnictl.manager.rest import Manager

_log = logging.getLogger("trionet_nni.trial_limit")


class TrialLimit:
    """The limit of one experiment."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager

    def one_more(self) -> bool:
        """Raise it by one, for another attempt at a trial that failed.

        Returns:
            Whether it had been reached: NNI then asks for no further trial by itself.
        """
        try:
            limit = int(self._manager.profile()["params"].get("maxTrialNumber") or 0)
            if limit == 0:
                return False  # there is none
            reached = len(self._manager.jobs()) >= limit
            self._set(limit + 1)
        except OSError as error:  # one candidate fewer; the search is as good
            _log.warning("the limit of trials stays as it is: %s", error)
            return False
        return reached

    def end_here(self) -> int:
        """Let NNI end the experiment with the trials it has; how many.

        Raises:
            OSError: the manager does not answer.
        """
        trials = len(self._manager.jobs())
        self._set(trials)
        return trials

    def _set(self, limit: int) -> None:
        body = {"params": {"maxTrialNumber": limit}}
        self._manager.put("/experiment?update_type=MAX_TRIAL_NUM", body)
