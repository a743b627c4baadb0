"""A network as a picture, block by block in the order of computation (Fig. 1)."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from trionet_nni.architecture.architecture import Architecture, Block, block_to_dict
from trionet_nni.operators.registry import OPERATORS

# Okabe and Ito's colours, which colour-blind readers can tell apart; the names stand in the boxes too.
_COLOURS = {"conv": "#0072b2", "local": "#e69f00", "axial": "#009e73", "basic": "#56b4e9"}
_OTHERS = ("#cc79a7", "#d55e00", "#f0e442")

_BOX, _GAP, _LINE, _LEFT, _MARGIN = 134, 10, 15, 118, 8
_CHARACTERS = 16  # of a line in a box
_LETTER = 7.5  # pixels of a letter, at most, on average


def operator_colour(operator: str) -> str:
    """The colour of an operator in every picture, #rrggbb."""
    if operator in _COLOURS:
        return _COLOURS[operator]
    others = [name for name in OPERATORS if name not in _COLOURS]
    return _OTHERS[others.index(operator) % len(_OTHERS)] if operator in others else _OTHERS[0]


def network_svg(
    architecture: Architecture,
    *,
    image_size: int | None = None,
    classes: int | None = None,
    paper: bool = True,
) -> str:
    """The picture, one `<svg>` element that needs nothing beside it.

    Args:
        image_size: side of the images in pixels, for the sizes of the maps; the space's own when None.
        classes: of the classifier, where it is known.
        paper: draw on white; without it, letters have the colour of the page's text.
    """
    frame = architecture.skeleton
    size = frame.image_size if image_size is None else image_size
    texts = [[_options(block) for block in stage] for stage in architecture.stages]
    height = 26 + _LINE * max(len(lines) for stage in texts for lines in stage)
    outputs = "classes" if classes is None else f"{classes:,} classes"
    first, last = _stem(architecture, size), f"average of all positions, linear classifier of {outputs}"
    blocks = max(map(len, architecture.stages)) * (_BOX + _GAP)
    width = max(_LEFT + blocks, round(_LETTER * max(len(first), len(last))) + 3 * _GAP) + _MARGIN
    parts, top = [_bar(_MARGIN, width, first)], _MARGIN + 38
    for number, (stage, options) in enumerate(zip(architecture.stages, texts, strict=True)):
        side = frame.place(number, 0, size).output_size
        about = (f"stage {number + 1}", f"{side} × {side}", f"{frame.widths[number]} channels")
        parts.append(_label(top + height / 2, about))
        for index, (block, lines) in enumerate(zip(stage, options, strict=True)):
            parts.append(_box(_LEFT + index * (_BOX + _GAP), top, height, block.operator, lines))
        top += height + _GAP
    parts.append(_bar(top, width, last))
    total, style = top + 38, "background:#fff;color:#1a1a1a;" if paper else ""
    head = (
        f'viewBox="0 0 {width} {total:g}" width="{width}" role="img" font-family="system-ui, sans-serif"',
        f'font-size="12" fill="currentColor" style="{style}max-width:none"',
        f'aria-label="{escape(architecture.operators)}"',
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg" {" ".join(head)}>\n' + "\n".join(parts) + "\n</svg>\n"


def _stem(architecture: Architecture, size: int) -> str:
    stem = architecture.skeleton.stem
    pool = ", 3 × 3 max-pool of stride 2" if stem.pool else ""
    return f"{size} × {size} → {stem.kernel} × {stem.kernel} convolution of stride {stem.stride}{pool}"


def _options(block: Block) -> list[str]:
    """What was chosen beside the operator, in lines that fit a box."""
    options = block_to_dict(block)
    del options["operator"]
    lines: list[str] = []
    for text in (f"{name} {value:g}" for name, value in options.items()):
        if lines and len(lines[-1]) + len(text) + 2 <= _CHARACTERS:
            lines[-1] += f", {text}"
        else:
            lines.append(text)
    return lines


def _box(x: float, y: float, height: float, operator: str, lines: Iterable[str]) -> str:
    colour = operator_colour(operator)
    look = f'fill="{colour}" fill-opacity="0.16" stroke="{colour}" stroke-width="2"'
    texts = [_text(x + 12, y + 34 + _LINE * number, line) for number, line in enumerate(lines)]
    frame = f'<rect x="{x}" y="{y}" width="{_BOX}" height="{height}" rx="6" {look}/>'
    return frame + _text(x + 12, y + 18, operator, bold=True) + "".join(texts)


def _label(middle: float, lines: tuple[str, ...]) -> str:
    first = middle - _LINE * (len(lines) - 1) / 2 + 4
    texts = [
        _text(_MARGIN, first + _LINE * number, line, bold=number == 0) for number, line in enumerate(lines)
    ]
    return "".join(texts)


def _bar(y: float, width: float, text: str) -> str:
    shape = f'x="{_MARGIN}" y="{y:g}" width="{width - 2 * _MARGIN - _GAP + 2}" height="28" rx="6"'
    frame = f'<rect {shape} fill="currentColor" fill-opacity="0.08"/>'
    return frame + _text(_MARGIN + 10, y + 19, text)


def _text(x: float, y: float, text: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}"{weight}>{escape(text)}</text>'
