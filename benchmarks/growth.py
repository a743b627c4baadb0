"""Time and memory of attention against the size of the map, and of the window, as a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.attention_cases import Pass, Shape, convolution, single_threaded
from benchmarks.peak_memory import peak_bytes
from benchmarks.ratio import interleaved, machine
from trionet_nni.files.atomic import replacing, write_json

SIDES = (14, 28, 56, 112)
WIDTH, BATCH = 64, 1


@dataclass(frozen=True)
class Growth:
    """What grows along one axis of the picture.

    Attributes:
        key: field of `Shape` that grows: "side" or "window".
        label: of the axis.
        shapes: its points, ascending.
    """

    key: str
    label: str
    shapes: Sequence[Shape]

    @property
    def values(self) -> list[int]:
        """Positions of the points on the axis."""
        return [getattr(shape, self.key) for shape in self.shapes]


def plot(
    path: Path,
    rounds: int,
    growths: Sequence[Growth],
    make: Callable[[Shape, str], Pass],
    labels: Mapping[str, str],
) -> int:
    """Measure and write the picture, and the figures as JSON beside it; always 0.

    Args:
        make: the pass of a shape by a name in `labels`; must be importable by its name.
        labels: what is compared, by what the picture calls it; a convolution is added.
    """
    figures: dict[str, Any] = {"machine": machine()}
    for growth in growths:
        figures[growth.key] = [_point(shape, rounds, make, list(labels)) for shape in growth.shapes]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path.with_suffix(".json"), figures)
    _draw(path, figures, growths, labels)
    print(path)
    return 0


def _point(
    shape: Shape, rounds: int, make: Callable[[Shape, str], Pass], names: Sequence[str]
) -> dict[str, Any]:
    passes = {name: make(shape, name) for name in names} | {"convolution": convolution(shape)}
    times = interleaved(passes, min(rounds, 5), warmup=1)
    peaks = {name: peak_bytes(single_threaded, make, shape, name) for name in names}
    peaks["convolution"] = peak_bytes(single_threaded, convolution, shape)
    return {
        "side": shape.side,
        "window": shape.window,
        "milliseconds": {name: 1e3 * times.median(name) for name in passes},
        "mebibytes": {name: peak / 2**20 for name, peak in peaks.items()},
    }


def _draw(
    path: Path, figures: dict[str, Any], growths: Sequence[Growth], labels: Mapping[str, str]
) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    size = (5 * len(growths), 7)
    figure, panels = pyplot.subplots(2, len(growths), figsize=size, constrained_layout=True, squeeze=False)
    for column, growth in enumerate(growths):
        for row, (quantity, unit) in enumerate((("milliseconds", "ms"), ("mebibytes", "peak MiB"))):
            panel, points = panels[row][column], figures[growth.key]
            for name in points[0][quantity]:
                values = [max(point[quantity][name], 0.01) for point in points]
                panel.plot(growth.values, values, marker="o", label=labels.get(name, name))
            panel.set(xlabel=growth.label, ylabel=unit, yscale="log", xticks=growth.values)
            if growth.key == "side":
                panel.set_xscale("log", base=2)
                panel.set_xticks(growth.values, [str(value) for value in growth.values])
    panels[0][0].legend(fontsize="small")
    figure.suptitle(f"Forward and backward, {WIDTH} channels, 8 heads,\none image, one thread")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
    pyplot.close(figure)
