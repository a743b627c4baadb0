"""What pyproject.toml cannot say: the wheel carries the folders beside the library, and its commit."""

from __future__ import annotations

import sys
from pathlib import Path
from shutil import copytree, ignore_patterns, rmtree

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))  # a build does not put it there

from trionet_nni.version import COMMIT_FILE, commit  # noqa: E402

FOLDERS = ("spaces", "strategies", "experiments")  # read by trionet_nni/experiment/shipped.py


class BuildWithFolders(build_py):
    """Puts spaces, strategies and experiments into the wheel as data, which `trionet new` hands out."""

    def run(self) -> None:
        """Build the library; an editable one needs no copies."""
        super().run()
        if self.editable_mode:
            return
        library = Path(self.build_lib) / "trionet_nni"
        rmtree(library / "shipped", ignore_errors=True)  # of an earlier build
        for name in FOLDERS:
            copytree(ROOT / name, library / "shipped" / name, ignore=ignore_patterns("__pycache__"))
        (library / COMMIT_FILE).write_text(commit() or "", encoding="utf-8")


setup(cmdclass={"build_py": BuildWithFolders})
