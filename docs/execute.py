"""Run the notebook from end to end and keep what it shows: python docs/execute.py (half an hour).

What belongs to this machine alone is left out: its folders, and how long each cell took. The extra [docs]
has what runs a notebook; the cells need [search,report,onnx].
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "docs" / "from-pictures-to-a-network.ipynb"
_CELL_SECONDS = 7200
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def executed(notebook: Any, folder: Path) -> Any:
    """The notebook after every cell was run in a folder, with what they showed.

    Args:
        notebook: as nbformat reads it; its outputs are replaced.
    """
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    (folder / "home").mkdir()
    os.environ.update(PATH=path, HOME=str(folder / "home"), COLUMNS="110")
    client = NotebookClient(notebook, timeout=_CELL_SECONDS, resources={"metadata": {"path": str(folder)}})
    client.execute()
    for cell in _code(notebook):
        cell.metadata.pop("execution", None)
        cell.outputs = _joined([_shown(output, folder) for output in cell.outputs])
    notebook.metadata["executed"] = digest(notebook)
    return notebook


def digest(notebook: Any) -> str:
    """What its outputs came from: equal as long as no cell of code has changed."""
    sources = "\0".join(cell.source for cell in _code(notebook))
    return hashlib.sha256(sources.encode()).hexdigest()[:16]


def _code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _shown(output: Any, folder: Path) -> Any:
    if "text" in output:
        output.text = plain(output.text, folder)
    for kind in output.get("data", {}):
        if kind.startswith("text/"):
            output.data[kind] = plain(output.data[kind], folder)
    return output


def _joined(outputs: list[Any]) -> list[Any]:
    """Streams that were written in turns, as one."""
    kept: list[Any] = []
    for output in outputs:
        if kept and output.output_type == kept[-1].output_type == "stream":
            kept[-1].text += output.text
        else:
            kept.append(output)
    return [one for one in kept if one.get("text", "something")]


def plain(text: str, folder: Path) -> str:
    """What a terminal ends up showing, without colours and without this machine's folders."""
    text = _COLOURS.sub("", text).replace("\r\n", "\n")
    lines = (line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n"))
    text = "\n".join(lines)
    for place, name in ((f"{folder}/", ""), (str(folder), "."), (f"{Path(sys.executable).parent}/", "")):
        text = text.replace(place, name)
    return text.replace(f"{ROOT}/", "")


def main() -> None:
    """Run the notebook, and write it with its outputs."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else NOTEBOOK
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with TemporaryDirectory(prefix="notebook-") as folder:
        executed(notebook, Path(folder).resolve())
    nbformat.write(notebook, target)


if __name__ == "__main__":
    main()
