"""`make clean` while something runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.checkout import ROOT

_MAPS = """
import mmap, sys
with open(sys.argv[1]) as file:
    kept = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
print(flush=True)
input()
"""


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc: nobody tells what is in use")
def test_clean_waits_for_what_runs(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    library = tmp_path / ".venv" / "lib" / "thing.so"
    library.parent.mkdir(parents=True)
    library.write_bytes(b"code")
    clean = ["make", "-C", str(tmp_path), "clean"]
    command = [sys.executable, "-c", _MAPS, str(library)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "\n"
        refused = subprocess.run(clean, capture_output=True, text=True)
        assert refused.returncode == 2 and library.exists()
        assert f"make clean: found process {process.pid} at work in .venv" in refused.stderr
        process.communicate("\n")
    assert subprocess.run(clean, capture_output=True).returncode == 0
    assert not library.exists()
    assert subprocess.run(clean, capture_output=True).returncode == 0  # nothing is there
