"""The sections of the page, each a heading and what stands under it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from trionet_nni.architecture.budget import budget_name
from trionet_nni.architecture.drawing import network_svg, operator_colour
from trionet_nni.export.finalists import finalists_first
from trionet_nni.finalists.halving import rungs
from trionet_nni.finalists.results import Standing
from trionet_nni.report.page.figures import (
    figure,
    front,
    operators_height,
    operators_over_time,
    progress,
    supernet_curve,
)
from trionet_nni.report.page.findings import Findings
from trionet_nni.supernet.results import Evaluation

_DRAWN = 3  # best networks of each budget
_KINDS = ("train", "search", "recalibration", "test")


def sections(found: Findings) -> list[tuple[str, str]]:
    """Headings and contents, in the order of the page; what an experiment does not have is left out."""
    every = (
        ("The best networks", _best(found)),
        ("What was searched", _conditions(found)),
        ("The search", _search(found)),
        ("Finalists, trained from scratch", _finalists(found)),
        ("Operators", _operators(found)),
        ("The supernet", _supernet(found)),
        ("Cost", _cost(found)),
        ("What to type next", _next(found)),
    )
    return [(heading, text) for heading, text in every if text]


def _best(found: Findings) -> str:
    parts = []
    for limit, inside, finalists in zip(found.limits, found.within, found.finalists, strict=True):
        if len(found.limits) > 1:
            parts.append(f"<h3>Within {budget_name(limit)} FLOPs</h3>")
        chosen = finalists_first(inside, finalists)[:_DRAWN]
        parts += [_network(found, rank, *one) for rank, one in enumerate(chosen, 1)]
        if not chosen:
            parts.append("<p>No candidate yet.</p>")
    order = "Finalists first, by the mean of their own trainings; then by the supernet's weights."
    if not any(found.finalists):
        order = f"By {found.quality_name.split(',')[0]} with the supernet's weights on the search images."
    return "".join(parts) + _remark(order)


def _network(found: Findings, rank: int, one: Evaluation, finalist: Standing | None) -> str:
    facts = [f"{one.flops / 1e6:,.1f} MFLOPs", f"{one.params / 1e6:.2f} M parameters"]
    if finalist is not None:
        times = len(finalist.results)
        how = f"{times} trainings" if times > 1 else "one training"
        facts.append(f"from scratch: loss {finalist.loss:.3f}, {finalist.accuracy:.1%} (mean of {how})")
    loss = "" if one.loss is None else f"loss {one.loss:.3f}, "
    facts.append(f"with the supernet's weights: {loss}{one.accuracy:.1%}")
    picture = network_svg(
        one.architecture,
        image_size=None if found.cost is None else found.cost.image_size,
        classes=None if found.cost is None else found.cost.classes,
        paper=False,
    )
    return (
        f"<h3>{rank}. {escape(one.architecture.operators)}</h3><p>{'; '.join(facts)} "
        f"<code>{one.architecture.hash[:8]}</code></p><div class=wide>{picture}</div>"
    )


def _conditions(found: Findings) -> str:
    config, splits, size = found.config, found.supernet.data.splits, found.cost
    counts = [f"{splits[kind].images:,} {kind}" for kind in _KINDS if kind in splits]
    rows = [
        ("space", config.space),
        ("budgets", ", ".join(f"{budget_name(limit)} FLOPs" for limit in found.limits)),
        ("further limits", _limits(found)),
        ("images", f"{config.data.name}" + (f": {', '.join(counts)}" if counts else "")),
        (
            "input",
            ""
            if size is None
            else f"{size.channels} × {size.image_size} × {size.image_size}, {size.classes} classes",
        ),
        (
            "strategies",
            ", ".join((config.search.strategy, config.supernet.sampling, config.supernet.sharing)),
        ),
        (
            "seeds",
            f"division {config.data.seed}, supernet {config.supernet.recipe.seed}, "
            f"search {config.search.seed}",
        ),
        ("experiment", found.folder.root.name),
    ]
    return _facts(rows)


def _limits(found: Findings) -> str:
    limits = found.config.search.budget
    if limits is None:
        return ""
    params = "" if limits.params is None else f"{limits.params:,} parameters"
    latency = "" if limits.latency_ms is None else f"{limits.latency_ms:g} ms by {limits.table}"
    return ", ".join(text for text in (params, latency) if text)


def _search(found: Findings) -> str:
    first = found.evaluations[0]
    shown = [
        figure(
            progress(found),
            "progress",
            f"{found.quality_name} of every candidate in order, and the best so far",
        ),
        figure(front(found), "front", f"{found.quality_name} against FLOPs"),
    ]
    failed = f" {found.failures:,} trials gave no result." if found.failures else ""
    text = (
        f"{len(found.evaluations):,} different networks, each with the supernet's weights on "
        f"{first.images:,} held-out search images.{failed} The first figure's dashed line ends "
        "the first population, those of the second are the budgets. Each operator alone is what one would "
        "have taken without a search."
    )
    return _grid(shown) + _remark(text)


def _finalists(found: Findings) -> str:
    chosen = found.config.search.finalists
    if chosen is None or not any(found.finalists):
        return ""
    ladder = rungs(**dict(chosen))
    header = ("", "network", *(f"training {rung.number}" for rung in ladder), "mean loss", "mean accuracy")
    parts = []
    for limit, finalists in zip(found.limits, found.finalists, strict=True):
        rows = []
        for place, one in enumerate(finalists, 1):
            losses = [f"{result.loss:.3f}" for result in one.results]
            blank = [""] * (len(ladder) - len(losses))
            mean = (f"{one.loss:.3f}", f"{one.accuracy:.1%}")
            rows.append((str(place), one.architecture.operators, *losses, *blank, *mean))
        if len(found.limits) > 1:
            parts.append(f"<h3>Within {budget_name(limit)} FLOPs</h3>")
        parts.append(_table(header, rows))
    images = next(one for some in found.finalists for one in some).results[0].images
    return "".join(parts) + _remark(
        f"Loss on {images:,} search images after {chosen.steps:,} steps from scratch; each column is a "
        "training with another seed and another division of the images, the same for all in it. "
        "The better ones go on."
    )


def _operators(found: Findings) -> str:
    picture = figure(
        operators_over_time(found),
        "operators",
        "share of each operator at each block, from the first population to the last candidates",
        operators_height(found),
    )
    positions = sorted({at for one in found.best[:10] for at, _ in one.architecture.blocks()})
    rows = [
        (
            str(rank),
            *(_named(dict(one.architecture.blocks()).get(at)) for at in positions),
            f"{found.quality(one):.3f}",
        )
        for rank, one in enumerate(found.best[:10], 1)
    ]
    heads = [at.removeprefix("stage").replace(".block", ".") for at in positions]
    table = _table(("", *heads, found.quality_name), rows, plain=False)
    return _grid([picture, f"<div class=wide>{table}</div>"]) + _remark(
        "Left: the first population, then the candidates in their order. Right: the ten best with the "
        "supernet's weights, by stage and block."
    )


def _named(block: Any) -> str:
    if block is None:
        return "–"
    colour = operator_colour(block.operator)
    return f"<span class=dot style='background:{colour}'></span>{escape(block.operator)}"


def _supernet(found: Findings) -> str:
    drawn = found.supernet.operators_sampled
    shown = []
    if found.curve:
        shown.append(
            figure(
                supernet_curve(found), "supernet", "accuracy of networks of each operator during training"
            )
        )
    if drawn:
        total = sum(drawn.values())
        rows = [
            (name, f"{count:,}", f"{count / max(1, total):.1%}") for name, count in sorted(drawn.items())
        ]
        shown.append(_table(("operator", "blocks drawn in training", "share"), rows))
    if not shown:
        return ""
    steps = "" if found.supernet.steps is None else f"{found.supernet.steps:,} steps; "
    return _grid(shown) + _remark(
        f"{steps}the lines are networks of one operator alone with the supernet's weights, on search "
        "images. Hierarchical Sampling draws all operators equally often, however many options they have."
    )


def _cost(found: Findings) -> str:
    stages = [
        ("search", f"{len(found.evaluations):,} candidates", sum(one.seconds for one in found.evaluations))
    ]
    if found.supernet.seconds is not None:
        stages.insert(0, ("supernet", f"{found.supernet.steps or 0:,} steps", found.supernet.seconds))
    trainings = {
        (result.training.key): result.seconds
        for some in found.finalists
        for one in some
        for result in one.results
    }
    if trainings:
        stages.append(("finalists", f"{len(trainings):,} trainings", sum(trainings.values())))
    rows = [(name, what, _duration(seconds)) for name, what, seconds in stages]
    rows.append(("together", "", _duration(sum(seconds for _, _, seconds in stages))))
    return _table(("stage", "", "time"), rows) + _remark(
        "Time that the trials took, on whatever they ran on; what ran side by side is added up."
    )


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _next(found: Findings) -> str:
    name = shlex.quote(found.folder.root.name)
    best = "out/1" if len(found.limits) == 1 else f"out/{budget_name(found.limits[-1])}/1"
    lines = (
        (f"trionet export {name} -o out", "the best networks as folders that stand on their own"),
        (f"bash {best}/retrain.sh", "train the best one from scratch, on all training images"),
        (f"trionet evaluate {best}", "accuracy by class, confusion matrix"),
        (f"trionet onnx {best} -o net.onnx", "one file for onnxruntime, checked"),
    )
    return (
        "<dl>" + "".join(f"<dt><code>{escape(one)}</code><dd>{escape(why)}" for one, why in lines) + "</dl>"
    )


def _facts(rows: Iterable[tuple[str, str]]) -> str:
    return _table((), [(name, value) for name, value in rows if value])


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], *, plain: bool = True) -> str:
    """A table; cells that are not plain are HTML already."""

    def row(cells: Sequence[str], kind: str, plain: bool = plain) -> str:
        return "<tr>" + "".join(f"<{kind}>{escape(cell) if plain else cell}" for cell in cells)

    head = row(header, "th", True) if header else ""
    kind = " class=line" if header else ""  # a row of numbers is one line; a fact may take more
    return f"<table{kind}>{head}{''.join(row(cells, 'td') for cells in rows)}</table>"


def _grid(parts: Iterable[str]) -> str:
    return "<div class=grid>" + "".join(f"<div>{part}</div>" for part in parts) + "</div>"


def _remark(text: str) -> str:
    return f"<p class=remark>{escape(text)}</p>"
