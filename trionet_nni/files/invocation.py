"""Commands as a user can type them here: the environment need not be activated."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def typed(path: Path) -> str:
    """A program's path as short as it can be typed from the working directory."""
    if shutil.which(path.name) == str(path):
        return path.name
    here = Path.cwd()
    return f"./{path.relative_to(here)}" if path.is_relative_to(here) else str(path)


def trionet(*arguments: str) -> str:
    """A command of this project, of this environment."""
    program = Path(sys.executable).with_name("trionet")
    name = typed(program) if program.exists() else f"{typed(Path(sys.executable))} -m trionet_nni.cli"
    return " ".join([name, *arguments])
