"""Time and memory of local attention against the size of the map and of the window, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.attention_cases import Shape, attention, convolution, single_threaded
from benchmarks.peak_memory import peak_bytes
from benchmarks.ratio import interleaved, machine
from trionet_nni.files.atomic import replacing, write_json
from trionet_nni.operators.layers.routes import compiled_routes

SIDES = (14, 28, 56, 112)
WINDOWS = (3, 5, 7, 9, 11)
LABELS = {"torch": "local attention, plain torch", "peer": "local attention, unfolded windows"}
_WIDTH, _BATCH = 64, 1


def plot(path: Path, rounds: int) -> int:
    """Measure and write the picture, and the figures as JSON beside it; always 0."""
    maps = [_point(Shape(side, _WIDTH, 7, _BATCH), rounds) for side in SIDES]
    windows = [_point(Shape(28, _WIDTH, window, _BATCH), rounds) for window in WINDOWS]
    figures = {"machine": machine(), "map": maps, "window": windows}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path.with_suffix(".json"), figures)
    _draw(path, figures)
    print(path)
    return 0


def _point(shape: Shape, rounds: int) -> dict[str, Any]:
    names = ["torch", *compiled_routes("cpu"), "peer"]
    passes = {name: attention(shape, name) for name in names} | {"convolution": convolution(shape)}
    times = interleaved(passes, min(rounds, 5), warmup=1)
    peaks = {name: peak_bytes(single_threaded, attention, shape, name) for name in names}
    peaks["convolution"] = peak_bytes(single_threaded, convolution, shape)
    return {
        "side": shape.side,
        "window": shape.window,
        "milliseconds": {name: 1e3 * times.median(name) for name in passes},
        "mebibytes": {name: peak / 2**20 for name, peak in peaks.items()},
    }


def _draw(path: Path, figures: dict[str, Any]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, 2, figsize=(10, 7), constrained_layout=True)
    for column, (key, axis, label) in enumerate(
        (("map", "side", "side of the map, window 7"), ("window", "window", "window, map 28 × 28"))
    ):
        for row, (quantity, unit) in enumerate((("milliseconds", "ms"), ("mebibytes", "peak MiB"))):
            panel, points = panels[row][column], figures[key]
            for name in points[0][quantity]:
                values = [max(point[quantity][name], 0.01) for point in points]
                panel.plot([p[axis] for p in points], values, marker="o", label=LABELS.get(name, name))
            panel.set(xlabel=label, ylabel=unit, yscale="log", xticks=[p[axis] for p in points])
            if key == "map":
                panel.set_xscale("log", base=2)
                panel.set_xticks(SIDES, [str(side) for side in SIDES])
    panels[0][0].legend(fontsize="small")
    figure.suptitle(f"Forward and backward, {_WIDTH} channels, 8 heads, one image, one thread")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
    pyplot.close(figure)
