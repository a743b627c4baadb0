"""The notebook runs, from pictures to a deployed network; the site is built without a warning."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
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


def test_the_notebook_shows_what_its_cells_printed() -> None:
    """`python docs/execute.py` ran exactly these cells, and nothing in it is of the machine."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    if "executed" not in notebook["metadata"]:
        pytest.skip("the notebook has no outputs yet: python docs/execute.py")
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    sources = "\0".join("".join(cell["source"]) for cell in cells)
    again = "a cell has changed since: python docs/execute.py"
    assert notebook["metadata"]["executed"] == hashlib.sha256(sources.encode()).hexdigest()[:16], again
    shown = [json.dumps(cell["outputs"]) for cell in cells]
    assert sum(text != "[]" for text in shown) >= len(cells) - 1, "but for the one with parameters"
    places = re.compile(r"(?<![\w.])/(tmp|home|root|work|usr|opt|var)/")
    for text in shown:
        assert not places.search(text) and len(text) < 60_000, text
        assert not any(word in text for word in ("\\u001b", "Traceback", "allowed: ")), text


def test_what_cells_show_is_kept_without_colours_and_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nbclient", reason=MISSING)
    import nbformat

    for name in ("PATH", "HOME", "COLUMNS"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # as they are now, whatever the script sets
    found = importlib.util.spec_from_file_location("execute", ROOT / "docs" / "execute.py")
    assert found is not None and found.loader is not None
    execute = importlib.util.module_from_spec(found)
    found.loader.exec_module(execute)
    shell = "!printf '%s/a/b \\033[31mred\\033[0m\\n  1 %%\\r 99 %%\\r100 %%\\n' $PWD"
    cells = [nbformat.v4.new_code_cell(source) for source in (shell, "2 + 3", "x = 1")]
    notebook = execute.executed(nbformat.v4.new_notebook(cells=cells), tmp_path)
    first, second, third = (cell.outputs for cell in notebook.cells)
    assert [one.text for one in first] == ["a/b red\n100 %\n"]
    assert second[0].data["text/plain"] == "5" and not third
    assert notebook.metadata["executed"] == execute.digest(notebook)
    assert not any("execution" in cell.metadata for cell in notebook.cells)


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
