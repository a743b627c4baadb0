"""An evaluation as files and for a terminal: result, confusion matrix as CSV and as a picture."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from trionet_nni.errors import say
from trionet_nni.export.evaluate import Evaluated
from trionet_nni.files.atomic import replacing, write_json, write_text

_INCH_A_CLASS = 0.35  # side of a cell of the picture
_SMALLEST, _LARGEST = 4.0, 40.0  # inches: room for the labels; what a viewer still opens
_NUMBERED = 30  # classes: with more, the numbers in the cells cannot be read


def default_folder(found: Evaluated) -> Path:
    """Where an evaluation is written unless it is said: one folder for each set of weights and images."""
    return found.network / "evaluations" / f"{found.weights}-{Path(found.data).resolve().name}"


def write_evaluation(found: Evaluated, out: Path) -> list[Path]:
    """Write `result.json`, `confusion.csv` and, where matplotlib is installed, `confusion.png`."""
    paths = [out / "result.json", out / "confusion.csv"]
    write_json(paths[0], found.to_dict())
    write_text(paths[1], _csv(found))
    try:
        _write_picture(found, out / "confusion.png")
    except ModuleNotFoundError:
        say("confusion.png: not drawn without matplotlib: pip install 'trionet-nni[report]'")
        return paths
    return [*paths, out / "confusion.png"]


def print_evaluation(found: Evaluated) -> None:
    """Class by class, and the sum of it."""
    table = Table(title=f"{found.network}, {found.file.name}, on {found.data} images")
    for name in ("class", "images", "accuracy", "precision"):
        table.add_column(name, justify="left" if name == "class" else "right", overflow="fold")
    for one in found.per_class:
        precision = "" if one.precision is None else f"{one.precision:.4f}"
        table.add_row(one.name, f"{one.images:,}", f"{one.accuracy:.4f}", precision)
    console, whole = Console(), found.confusion
    console.print(table, markup=False)
    line = f"accuracy {whole.accuracy:.4f}, loss {whole.loss:.4f} on {whole.images:,} images"
    console.print(line, highlight=False)


def _csv(found: Evaluated) -> str:
    """One row a class of the images, one column a class that they are taken for."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["class, taken for →", *found.classes])
    for name, row in zip(found.classes, found.confusion.counts.tolist(), strict=True):
        writer.writerow([name, *row])
    return text.getvalue()


def _write_picture(found: Evaluated, path: Path) -> None:
    from matplotlib.figure import Figure

    side = min(max(_SMALLEST, _INCH_A_CLASS * len(found.classes) + 2), _LARGEST)
    figure = Figure(figsize=(side, side), layout="constrained")
    _draw(figure, found)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=130, format="png")


def _draw(figure: Any, found: Evaluated) -> None:
    """Shares of each class's images as grey, numbers of images as text."""
    counts = found.confusion.counts
    shares = counts / counts.sum(1, keepdim=True).clamp(min=1)
    axes = figure.add_subplot(xlabel="taken for", ylabel="class")
    axes.imshow(shares.numpy(), cmap="Greys", vmin=0, vmax=1)
    places = range(len(found.classes))
    names = [name.replace("$", r"\$") for name in found.classes]  # no mathematics
    axes.set_xticks(places, names, rotation=90)
    axes.set_yticks(places, names)
    axes.set_title(f"accuracy {found.confusion.accuracy:.4f} on {found.confusion.images:,} images")
    if len(found.classes) <= _NUMBERED:
        for row, column in counts.nonzero().tolist():
            dark = shares[row, column] > 1 / 2
            text = str(int(counts[row, column]))
            axes.text(column, row, text, ha="center", va="center", color="white" if dark else "black")
