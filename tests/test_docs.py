"""The notebook runs, from pictures to a deployed network; the site is built without a warning."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.checkout import ROOT

NOTEBOOK = ROOT / "docs" / "from-pictures-to-a-network.ipynb"
_SEARCH = " ".join(
    f"--set {setting}"
    for setting in (
        "supernet.recipe.steps=12",
        "search.budgets=[1.9e+7,2.4e+7]",
        "search.population=2",
        "search.parents=2",
        "search.finalists=null",
        "maxTrialNumber=4",
    )
)
_RETRAINING = "--set retrain.steps=10"
MISSING = "`make docs` installs what is needed"


@pytest.mark.slow
def test_the_site_has_no_link_that_leads_nowhere(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason=MISSING)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    reference = (tmp_path / "site" / "reference" / "trionet_nni.operators" / "index.html").read_text()
    assert 'id="trionet_nni.operators.local' in reference


@pytest.mark.slow(seconds=160)
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client: Any = pytest.importorskip("nbclient", reason=MISSING)
    import nbformat

    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (given,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    names = [line.split(" = ")[0] for line in given.source.splitlines()]
    assert names == ["SEARCH", "RETRAINING"]
    given.source = f"SEARCH, RETRAINING = {_SEARCH!r}, {_RETRAINING!r}"
    kernel = client.NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}})
    kernel.execute()
    said = {cell.id: _text(cell) for cell in notebook.cells if cell.cell_type == "code"}
    assert any("is taken for" in text for text in said.values())
    assert not any("Traceback" in text or "allowed: " in text for text in said.values()), said


def _text(cell: Any) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)
