"""A supernet's training, killed again and again, ends with the weights of an undisturbed one."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.checkout import ROOT
from tests.helpers.patience import until
from trionet_nni.training.checkpoints import NAME, read_checkpoint

_STEPS, _KILLS, _SEED = 18, 3, 0


def train(directory: Path, cache: Path, *, hold: bool = False) -> subprocess.Popen[bytes]:
    """A process that trains; one that is to be killed holds before its last step, lest it end before."""
    command = [sys.executable, "-m", "tests.helpers.supernets", str(directory), str(cache)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([*command, str(_STEPS), "hold" if hold else "go on"], env=environment)


def kill_after(step: int, process: subprocess.Popen[bytes], checkpoint: Path, pause: float) -> int:
    """SIGKILL a moment after the checkpoint of a step was written; the step of the newest one."""

    def written() -> bool:
        assert process.poll() is None
        return checkpoint.exists() and read_checkpoint(checkpoint)["global_step"] >= step

    until(written)
    time.sleep(pause)
    process.kill()
    assert process.wait() < 0, "it had ended before"
    return int(read_checkpoint(checkpoint)["global_step"])


def digest(directory: Path) -> str:
    return hashlib.sha256((directory / "supernet.safetensors").read_bytes()).hexdigest()


@pytest.mark.slow
def test_killed_at_random_steps_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    chance = random.Random(_SEED)
    whole, killed, cache = tmp_path / "whole", tmp_path / "killed", tmp_path / "cache"
    assert train(whole, cache).wait() == 0
    newest = []
    for step in sorted(chance.sample(range(1, _STEPS - 3), _KILLS)):
        process = train(killed, cache, hold=True)
        newest.append(kill_after(step, process, killed / NAME, chance.uniform(0, 0.1)))
        assert not (killed / "complete.json").exists()
    assert train(killed, cache).wait() == 0
    print(f"killed when the newest checkpoint was of step {newest}, of {_STEPS}")
    print(f"SHA-256 of the weights: {digest(killed)}, undisturbed {digest(whole)}")
    assert digest(killed) == digest(whole)
    assert json.loads((killed / "complete.json").read_text())["steps"] == _STEPS
