"""What takes long to make and is only read: made once for all processes of a run of pytest."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from trionet_nni.files.locks import lock

_VARIABLE = "TRIONET_TESTS_FOLDER"  # the first process sets it; pytest-xdist's workers inherit it
_OWN = None if _VARIABLE in os.environ else tempfile.TemporaryDirectory(prefix="trionet-tests-")
if _OWN is not None:
    os.environ[_VARIABLE] = _OWN.name  # who made the folder removes it when it ends


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """A folder as the first process that asks has made it; the others wait. Not to be written to."""
    folder = Path(os.environ[_VARIABLE]) / name
    done = folder.with_name(f"{name}.done")
    with lock(folder.with_name(f"{name}.lock")):
        if not done.exists():
            make(folder)
            done.touch()
    return folder
