"""The CPU kernels are compiled when they are first needed, where a C++ compiler is; it takes seconds.

`make install` does it beforehand. Nothing needs them: without a compiler, or with TRIONET_NATIVE=0, torch
computes the same numbers, more slowly.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from trionet_nni.errors import say
from trionet_nni.files.locks import lock
from trionet_nni.operators.layers import build_native, native_attention

_WAIT_SECONDS = 120.0  # for another process that compiles


def ensure_kernels() -> None:
    """Compile the kernels unless they are there; what is in the way is told once and remembered.

    For processes that train or evaluate on a CPU.
    """
    import torch

    if os.environ.get("TRIONET_NATIVE") == "0" or torch.cuda.is_available():
        return
    folder = build_native.home()
    if native_attention.load(folder) is not None or _is_hopeless(folder):
        return
    try:
        with lock(folder / "build.lock", seconds=_WAIT_SECONDS):
            if not (folder / build_native.library_name()).exists():
                build_native.build(folder)
    except (build_native.BuildError, TimeoutError, OSError) as error:
        _remember(folder, str(error))
    native_attention.load.cache_clear()


def _note(folder: Path) -> Path:
    """Where a failure is remembered, by source and processor as the library is."""
    return (folder / build_native.library_name()).with_suffix(".failed")


def _is_hopeless(folder: Path) -> bool:
    """Whether it was tried before and nothing has changed; a compiler may have been installed since."""
    try:
        note = _note(folder).read_text(encoding="utf-8")
    except OSError:
        return False
    return note != build_native.NO_COMPILER or shutil.which(build_native.compiler()[0]) is None


def _remember(folder: Path, reason: str) -> None:
    missing = shutil.which(build_native.compiler()[0]) is None
    say(f"the CPU kernels were not compiled ({reason}): torch computes attention, several times slower")
    try:
        _note(folder).write_text(build_native.NO_COMPILER if missing else reason, encoding="utf-8")
    except OSError:  # then it is told again next time
        return
