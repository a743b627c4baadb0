"""The chaos test, small: `make chaos` runs it large."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.experiment import ROOT


@pytest.mark.slow(seconds=170)
def test_nothing_is_lost_whatever_is_killed(tmp_path: Path) -> None:
    options = ["--kills", "3", "--candidates", "6", "--seconds", "0.5", "--seed", "5", "--no-peace"]
    options += ["--finalists", "2", "--rungs", "2"]
    command = [sys.executable, "-m", "tests.chaos", *options, "--folder", str(tmp_path / "chaos")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing lost, nothing repeated, nothing mismatched" in done.stdout
