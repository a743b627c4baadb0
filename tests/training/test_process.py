"""Settings of a process, each looked at in a process of its own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import cache

import pytest

PROBE = """
import resource, sys, torch
from trionet_nni.training.process import prepare_process
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(1 << 24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
if sys.argv[1] == "prepared":
    prepare_process()
print(min(faults() for _ in range(5)), float(torch.tensor(1e-39) * 1))
"""


@cache
def probe(kind: str) -> tuple[int, float]:
    done = subprocess.run([sys.executable, "-c", PROBE, kind], capture_output=True, text=True, check=True)
    faults, product = done.stdout.split()
    return int(faults), float(product)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="memory is kept with glibc only: NOT tested")
def test_freed_memory_is_used_again() -> None:
    """Counted are the pages that the system had to clear for five tensors of 64 MiB."""
    assert probe("prepared")[0] < probe("as it is")[0] / 10


def test_denormals_are_zero() -> None:
    assert probe("prepared")[1] == 0.0 != probe("as it is")[1]


WAITING = """
import os, sys
sys.argv = ["trionet", "count", "resnet-26"]
from trionet_nni.cli import main
main()
print(os.environ["OMP_WAIT_POLICY"])
"""


@pytest.mark.parametrize(("chosen", "found"), [({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active")])
def test_threads_sleep_while_they_wait_unless_the_user_chose(chosen: dict[str, str], found: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | chosen
    command = [sys.executable, "-c", WAITING]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == found


def test_the_command_line_does_not_load_torch_before() -> None:
    """OpenMP reads its settings when it is loaded."""
    look = "import sys, trionet_nni.cli, trionet_nni.nnictl.trial; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
