"""A training on another machine that leaves no sign of life for too long ends its process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.helpers.checkout import ROOT
from trionet_nni.nnictl.manager.rest import MANAGER

_TRAINING = """
import time
from trionet_nni.nnictl.candidate import silence
silence.CHECKPOINT_SECONDS = 1.0
wrote = 0.0
looks = 0
def sign():
    global looks
    looks += 1
    if looks == 1:
        raise FileNotFoundError("renamed meanwhile")
    return wrote
with silence.ended_when_silent(1.0, sign):
    for _ in range(LIVELY):
        time.sleep(0.5)
        wrote += 1
    time.sleep(QUIET)
print("trained")
"""


@pytest.mark.parametrize(
    ("lively", "quiet", "away", "status"), [(8, 0, True, 0), (0, 60, True, 1), (0, 5, False, 0)]
)
def test_it_ends_itself_where_nobody_else_sees_it(lively: int, quiet: int, away: bool, status: int) -> None:
    text = _TRAINING.replace("LIVELY", str(lively)).replace("QUIET", str(quiet))
    place = {MANAGER: "http://127.0.0.1:9"} if away else {}
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=ROOT, env=place, capture_output=True, text=True, timeout=50
    )
    assert done.returncode == status
    assert done.stdout == ("" if status else "trained\n")
    assert done.stderr == ("error: no sign of life of the training for 2 s\n" if status else "")
