"""Figures as SVG that takes the page's own colours, so that one file serves a light and a dark screen."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from html import escape
from io import StringIO
from itertools import accumulate
from typing import Any

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.budget import budget_name
from trionet_nni.architecture.drawing import operator_colour
from trionet_nni.report.page.findings import Findings
from trionet_nni.supernet.results import Evaluation

Draw = Callable[[Any], None]  # onto a matplotlib Figure
# matplotlib knows no colour of the page; these stand for them until the text is written.
_INK, _RULE = "#010203", "#040506"
_PAGE = {_INK: "var(--ink)", _RULE: "var(--rule)"}
_WIDTH, _HEIGHT = 5.0, 3.8  # inches; narrow, so that letters stay readable on a phone
_STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.edgecolor": _RULE,
    "grid.color": _RULE,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 10,
}
_MARKERS = {"conv": "o", "local": "s", "axial": "^"}
_MIXED = "D"


def figure(draw: Draw, name: str, alternative: str, height: float = _HEIGHT) -> str:
    """One `<svg>` element.

    Args:
        name: of this figure on its page, for the names inside it.
        alternative: what it shows, for those who do not see it.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        drawn = Figure(figsize=(_WIDTH, height), layout="constrained")
        draw(drawn)
        text = StringIO()
        drawn.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return _of_this_page(text.getvalue(), alternative)


def _of_this_page(text: str, alternative: str) -> str:
    """Without what is not for this place: the file's head, metadata, names that nothing refers to."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    used = set(re.findall(r'#([^)"\s]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", text)
    text = re.sub(r'^(<svg[^>]*?) height="[^"]*"', r"\1", text)
    text = re.sub(
        r'^(<svg[^>]*?) width="[^"]*"', rf'\1 role="img" aria-label="{escape(alternative)}"', text
    )
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px system-ui, sans-serif", text)
    for stand_in, colour in _PAGE.items():
        text = text.replace(stand_in, colour)
    return text


def progress(found: Findings) -> Draw:
    """Candidates in their order, and the best so far of each budget."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        values = [found.quality(one) for one in found.evaluations]
        numbers = range(1, len(values) + 1)
        axes.scatter(numbers, values, s=14, color=_INK, alpha=0.3, label="candidates", linewidths=0)
        better = max if found.config.search.metric == "accuracy" else min
        for line, limit in zip(("-", "--", ":", "-."), reversed(found.limits), strict=False):
            inside = [
                (n, v)
                for n, v, one in zip(numbers, values, found.evaluations, strict=True)
                if one.flops <= limit
            ]
            if inside:
                steps, kept = zip(*inside, strict=True)
                label = f"best within {budget_name(limit)}"
                best = list(accumulate(kept, better))
                axes.step(
                    [*steps, len(values)],
                    [*best, best[-1]],
                    line,
                    where="post",
                    color="#d55e00",
                    label=label,
                )
        if len(values) > found.config.search.population:
            axes.axvline(found.config.search.population + 0.5, color=_RULE, linestyle="--")
        _clip_outliers(axes, values)
        axes.set_xlabel("candidate")
        axes.set_ylabel(found.quality_name)
        _legend(figure)

    return draw


def _legend(figure: Any) -> None:
    """Below the axes, where nothing lies under it; none where nothing was drawn that has a name."""
    if any(axes.get_legend_handles_labels()[0] for axes in figure.axes):
        figure.legend(loc="outside lower center", ncols=2)


def _clip_outliers(axes: Any, values: Sequence[float]) -> None:
    """A first population has networks that are far off; they would flatten all the others."""
    if len(values) >= 8:
        low, high = min(values), sorted(values)[int(0.95 * (len(values) - 1))]
        if max(values) > high + 2 * (high - low) and high > low:
            axes.set_ylim(low - 0.1 * (high - low), high + 0.3 * (high - low))


def front(found: Findings) -> Draw:
    """Quality against FLOPs: all, those that no other one beats, and each operator alone."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        unit, size = ("G", 1e9) if max(one.flops for one in found.evaluations) >= 1e9 else ("M", 1e6)

        def show(some: Sequence[Evaluation], **style: Any) -> None:
            axes.plot([one.flops / size for one in some], [found.quality(one) for one in some], **style)

        shape = {"linestyle": "", "markersize": 4}
        show(
            found.evaluations,
            marker="o",
            color=_INK,
            alpha=0.3,
            markeredgewidth=0,
            label="candidates",
            **shape,
        )
        show(_front(found), marker=_MIXED, markersize=5, color="#d55e00", label="no other one beats them")
        for operator in dict.fromkeys(_first(one.architecture) for one in found.alone):
            alone = [one for one in found.alone if _first(one.architecture) == operator]
            style = {"marker": _MARKERS.get(operator, "P"), "color": operator_colour(operator)}
            show(alone, linestyle="", markersize=8, label=f"{operator} alone", **style)
        for limit in found.limits:
            axes.axvline(limit / size, color=_RULE, linestyle="--")
        _clip_outliers(axes, [found.quality(one) for one in found.evaluations])
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(f"{unit}FLOPs of one image")
        axes.set_ylabel(found.quality_name)
        _legend(figure)

    return draw


def _front(found: Findings) -> list[Evaluation]:
    metric, kept = found.config.search.metric, list[Evaluation]()
    for one in sorted(found.best, key=lambda one: one.flops):
        if not kept or one.score(metric) > kept[-1].score(metric):
            kept.append(one)
    return kept


def _first(network: Architecture) -> str:
    return next(network.blocks())[1].operator


def operators_over_time(found: Findings) -> Draw:
    """For each block, which operators the candidates have there, from the first population to the last."""
    groups = _groups(found)
    positions = sorted({at for one in found.evaluations for at, _ in one.architecture.blocks()})
    operators = list(
        dict.fromkeys(block.operator for one in found.evaluations for _, block in one.architecture.blocks())
    )

    def shares(at: str) -> list[list[float]]:
        """By operator, then by group: its share among the networks that have this block."""
        counts = [
            Counter(
                dict(one.architecture.blocks())[at].operator
                for one in group
                if at in dict(one.architecture.blocks())
            )
            for group in groups
        ]
        return [[100 * count[name] / max(1, count.total()) for count in counts] for name in operators]

    def draw(figure: Any) -> None:
        rows = -(-len(positions) // 3)
        grid = figure.subplots(rows, 3, sharex=True, sharey=True, squeeze=False).flat
        for at, axes in zip(positions, grid, strict=False):
            parts = axes.stackplot(
                range(len(groups)), shares(at), colors=[*map(operator_colour, operators)], labels=operators
            )
            for part in parts:
                part.set_linewidth(0)
            axes.set_title(at.replace("stage", "stage ").replace(".block", ", block "), fontsize=10)
            axes.margins(0)
            axes.set_xticks([0, len(groups) - 1] if len(groups) > 1 else [0])
            axes.set_xticklabels(["first", "last"] if len(groups) > 1 else ["all"])
        for axes in list(grid):
            axes.set_visible(False)
        figure.supylabel("share of candidates, %", fontsize=11)
        figure.legend(
            operators_handles(figure), operators, loc="outside lower center", ncols=min(4, len(operators))
        )

    def operators_handles(figure: Any) -> list[Any]:
        from matplotlib.patches import Patch

        return [Patch(color=operator_colour(name)) for name in operators]

    return draw


def operators_height(found: Findings) -> float:
    """Of that figure, inches."""
    positions = {at for one in found.evaluations for at, _ in one.architecture.blocks()}
    return 0.9 + 1.35 * -(-len(positions) // 3)


def _groups(found: Findings) -> list[list[Evaluation]]:
    """The first population, then the others in at most nine parts of equal size, in their order."""
    population, every = found.config.search.population, list(found.evaluations)
    first, rest = every[:population], every[population:]
    size = max(5, -(-len(rest) // 9))
    return [first, *(rest[start : start + size] for start in range(0, len(rest), size))]


def supernet_curve(found: Findings) -> Draw:
    """Accuracy of the largest network of each operator, and of random ones, while the supernet trains."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        names = [name for name in found.curve[0] if name not in ("step", "default")]
        for name in names:
            points = [(point["step"], 100 * point[name]) for point in found.curve if name in point]
            steps, values = zip(*points, strict=True)
            style = {"marker": _MARKERS.get(name, "P"), "color": operator_colour(name)}
            axes.plot(steps, values, markersize=4, label=name, **style)
        axes.set_xlabel("step of the supernet's training")
        axes.set_ylabel("accuracy, %")
        _legend(figure)

    return draw
