"""The house keeps its shape: tests mirror the rooms, none imports another, and a wrong import is caught."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.checkout import ROOT
from tests.helpers.imports import imported

TESTS = ROOT / "tests"
PACKAGES = ("trionet_nni", "spaces", "strategies")
BESIDE_THE_LIBRARY = {"spaces", "strategies", "benchmarks"}
OF_THEIR_OWN = {"helpers", "chaos", "hostile", "fuzz"}
LINTER = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"


def packages_in(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.glob("*/__init__.py")}


def test_every_folder_of_tests_mirrors_a_room() -> None:
    allowed = packages_in(ROOT / "trionet_nni") | BESIDE_THE_LIBRARY | OF_THEIR_OWN
    assert packages_in(TESTS) <= allowed
    without = {path.parent for path in TESTS.rglob("*.py")} - {
        path.parent for path in TESTS.rglob("__init__.py")
    }
    assert not without, "two test modules of one name would be mistaken for each other"


def is_of_a_test(name: str) -> bool:
    return any(part.startswith("test_") or part == "conftest" for part in name.split("."))


def test_no_module_of_tests_imports_a_test() -> None:
    """What two test modules need is a helper, or a fixture in a conftest, which pytest finds by itself."""
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted(TESTS.rglob("*.py"))
        for name in imported(path.read_text(encoding="utf-8"))
        if is_of_a_test(name)
    ]
    assert not found


@pytest.mark.parametrize(
    "line",
    [
        "from tests.export.test_load import folder",
        "from tests.export import test_load",
        "import tests.conftest",
        "def f():\n    from .test_load import folder",
    ],
)
def test_such_an_import_would_be_found(line: str) -> None:
    assert any(map(is_of_a_test, imported(line)))


def test_documents_name_tests_that_are_there() -> None:
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "experiments").glob("*.yml")]:
        for name in re.findall(r"\btests/[\w/]+\.py", path.read_text(encoding="utf-8")):
            assert (ROOT / name).is_file(), f"{path.name}: {name}"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter over a copy of the packages."""
    return subprocess.run(
        [sys.executable, "-c", LINTER, "--no-cache"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages and the contracts, to be spoilt."""
    folder = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    return folder


def test_imports_go_down(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("package", "line", "contract"),
    [
        ("trionet_nni/files", "import trionet_nni.nnictl.trial", "The rooms of the library"),
        ("trionet_nni/supernet", "import strategies.evolution", "The library knows neither spaces nor"),
    ],
)
def test_an_import_up_is_caught(copy: Path, package: str, line: str, contract: str) -> None:
    wrong = copy / package / "wrong.py"
    wrong.write_text(f'"""A deliberate mistake."""\n\n{line}\n')
    try:
        done = lint(copy)
    finally:
        wrong.unlink()
    assert done.returncode == 1, done.stdout + done.stderr
    broken = [text for text in done.stdout.splitlines() if text.endswith("BROKEN")]
    assert any(text.startswith(contract) for text in broken), done.stdout
