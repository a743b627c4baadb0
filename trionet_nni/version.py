"""The version of the package and the commit it runs from: every file that it writes carries both."""

from __future__ import annotations

import subprocess
from pathlib import Path

__version__ = "0.1.0"


def version_line() -> str:
    """What `trionet --version` says: the version, and of a checkout its commit too."""
    found = commit()
    return f"trionet {__version__}" + (f", commit {found}" if found else "")


def commit() -> str | None:
    """Commit of the checkout this runs from, with "+changes" behind it where files differ; None outside."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head + ("+changes" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout.strip()
