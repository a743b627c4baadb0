"""`nnictl`, which waits longer: `python -m trionet_nni.nnictl.terminal.patient ARGUMENTS`.

nnictl gives its manager about 4 seconds to answer and then kills it; on a busy machine Node alone takes
longer to start, and every further attempt makes the machine busier.
"""

from __future__ import annotations

from functools import partial

from nni.experiment import launcher
from nni.tools.nnictl import nnictl

_TRIES = 45  # a second apart; 3 in NNI


def be_patient() -> None:
    """Have nnictl, in this process, wait for its manager as long as a busy machine needs."""
    launcher._check_rest_server = partial(launcher._check_rest_server, retry=_TRIES)


if __name__ == "__main__":
    be_patient()
    nnictl.parse_args()
