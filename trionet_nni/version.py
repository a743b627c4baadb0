"""The version of the package and the commit it runs from: every file that it writes carries both."""

from __future__ import annotations

import subprocess
from pathlib import Path

__version__ = "0.1.0"
COMMIT_FILE = "commit.txt"  # setup.py writes it into the wheel, beside this file


def version_line() -> str:
    """What `trionet --version` says: the version, and its commit where it is known."""
    found = commit()
    return f"trionet {__version__}" + (f", commit {found}" if found else "")


def commit() -> str | None:
    """Commit of the checkout this runs from, or that its wheel was built from; None where neither is known.

    "+changes" stands behind it where files differ.
    """
    library = Path(__file__).resolve().parent
    root = library.parent
    if not (root / ".git").exists():
        return _recorded(library / COMMIT_FILE)
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head + ("+changes" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _recorded(path: Path) -> str | None:
    return path.read_text(encoding="utf-8").strip() or None if path.exists() else None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout.strip()
