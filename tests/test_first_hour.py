"""The first hour of a new user, from the built wheel, in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.helpers.checkout import ROOT


@pytest.mark.slow(seconds=300)
@pytest.mark.timeout(3600)  # three minutes of one free core, which a busy machine has not
def test_the_first_hour_holds_no_surprise() -> None:
    done = subprocess.run(
        ["bash", str(ROOT / "tests" / "first_hour.sh")],
        env=os.environ | {"PYTHON": sys.executable},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
