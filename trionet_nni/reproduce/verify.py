"""`trionet verify`: every figure of the paper that needs no training, computed now and put beside it.

A figure "agrees" when it rounds to what is printed, is "close" within 2 %, and "differs" beyond; what
cannot be computed here is listed with the reason, not left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from trionet_nni.architecture.cost import CostModel
from trionet_nni.experiment.shipped import own_code, shipped
from trionet_nni.report.count import count, count_segmentation
from trionet_nni.report.space import ranges
from trionet_nni.reproduce import paper
from trionet_nni.settings.plugins import load_table, use_code

Verdict = Literal["agrees", "close", "differs", "in reach", "out of reach", "not computed"]
SPACE = "spaces.trionet"
_CLOSE = 0.02
_REASONS = {
    ("axial-50", "params"): "cannot follow from Axial-26 and 38, which differ by equal steps",
    ("axial-50", "flops"): "cannot follow from Axial-26 and 38, which differ by equal steps",
    ("resnet-38", "flops"): "2 × MAC of [2, 3, 5, 2] bottlenecks; 26 and 50 agree by the same rule",
    ("local-38", "params"): "26 and 50 agree by the same rule",
}
_TABLE6_NOTES = {
    ("ResNet-50", "semantic"): "with the deep stem; the classifier's size is not described",
    ("Axial-26", "semantic"): "the head is not described; see docs/segmentation.md",
    ("ResNet-50", "panoptic"): "the paper does not describe its head; deep stem",
    ("Axial-26", "panoptic"): "the paper does not describe its head",
}


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        where: table or section.
        paper: as printed.
        computed: now; None where it cannot be computed.
        digits: decimals that the paper prints.
    """

    where: str
    what: str
    unit: str
    paper: float
    computed: float | None
    digits: int
    verdict: Verdict
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields by name; `computed` is null where nothing can be computed."""
        return asdict(self)


def verify() -> list[Row]:
    """All figures, in the order of the paper.

    Raises:
        InputError: the paper's space cannot be loaded.
    """
    use_code(own_code() or shipped())
    return [*_table1(), *_table2(), *_table4(), *_table6(), *_savings()]


def compared(
    where: str, what: str, unit: str, printed: float, computed: float, digits: int, note: str = ""
) -> Row:
    """A row with its verdict."""
    if math.isclose(round(computed, digits), printed, rel_tol=1e-9):
        return Row(where, what, unit, printed, computed, digits, "agrees")
    verdict: Verdict = "close" if abs(computed / printed - 1) <= _CLOSE else "differs"
    return Row(where, what, unit, printed, computed, digits, verdict, note)


def _table1() -> Iterator[Row]:
    table = load_table(SPACE)
    for choices in table.operators:
        printed = paper.TABLE1_CHOICES[choices.operator]
        yield compared("Table 1", f"choices, {choices.operator}", "", printed, len(choices.blocks), 0)
    yield compared(
        "section 3.2", "architectures", "10²⁵", paper.ARCHITECTURES / 1e25, table.architectures / 1e25, 1
    )
    ratio = table.architectures / paper.OFA_ARCHITECTURES / 1e6
    yield compared("section 3.2", "larger than OFA's space", "M times", paper.SPACE_RATIO / 1e6, ratio, 1)


def _table2() -> Iterator[Row]:
    for name, printed in paper.TABLE2.items():
        cost = count(name, None, 1000)
        for field, unit, value, own in (
            ("params", "M", cost.params / 1e6, printed.params),
            ("flops", "B", cost.flops / 1e9, printed.flops),
        ):
            yield compared(
                "Table 2", f"{name} {field}", unit, own, value, 1, _REASONS.get((name, field), "")
            )
    yield from _searched()
    for name, printed in paper.TABLE2_OFA.items():
        note = "another project's networks with another stem"
        yield Row("Table 2", f"{name} flops", "B", printed.flops, None, 1, "not computed", note)


def _searched() -> Iterator[Row]:
    """The paper does not print its searched architectures: only whether the space reaches their cost."""
    reach = ranges(load_table(SPACE), CostModel())
    for name, printed in paper.TABLE2_SEARCHED.items():
        for field, scale, unit, own in (
            ("params", 1e6, "M", printed.params),
            ("flops", 1e9, "B", printed.flops),
        ):
            low, high = (reach[field][end] / scale for end in ("min", "max"))
            verdict: Verdict = "in reach" if low <= own <= high else "out of reach"
            note = f"architecture not printed; the space reaches {low:.2f} to {high:.2f} {unit}"
            yield Row("Table 2", f"{name} {field}", unit, own, None, 1, verdict, note)


def _table4() -> Iterator[Row]:
    for dataset, classes in paper.TABLE4_CLASSES.items():
        for name, printed in paper.TABLE4.items():
            flops = count(name, None, classes).flops / 1e9
            yield compared("Table 4", f"{dataset}, {name} flops", "B", printed, flops, 1)
        low, high = (
            value / 1e9 for value in ranges(load_table(SPACE), CostModel(classes))["flops"].values()
        )
        own = paper.TABLE4_SEARCHED[dataset]
        verdict: Verdict = "in reach" if low <= own <= high else "out of reach"
        note = f"architecture not printed; the space reaches {low:.2f} to {high:.2f} B"
        yield Row("Table 4", f"{dataset}, TrioNet flops", "B", own, None, 1, verdict, note)


def _table6() -> Iterator[Row]:
    """Whole segmentation networks, counted as they are built."""
    for task, printed_by_name in (("semantic", paper.TABLE6_SEMANTIC), ("panoptic", paper.TABLE6_PANOPTIC)):
        for name, printed in printed_by_name.items():
            what = f"{name}, {task}"
            if name == "TrioNet-B":
                note = "architecture not printed"
                yield Row("Table 6", what, "B", printed, None, 1, "not computed", note)
                continue
            cost = count_segmentation(name.lower(), task, None, None, 3, None)
            note = _TABLE6_NOTES[name, task]
            yield compared("Table 6", what, "B", printed, cost.flops / 1e9, 1, note)


def _savings() -> Iterator[Row]:
    """Percentages that the paper works out from its own tables."""
    for saving in paper.SAVINGS:
        percent = 100 * (1 - saving.smaller / saving.larger)
        note = f"from the paper's own {saving.smaller:g} and {saving.larger:g} B"
        yield compared(saving.where, f"{saving.what}, saved", "%", saving.percent, percent, 1, note)


def print_rows(rows: list[Row]) -> None:
    """One line a figure, and the count of each verdict; plain lines, for a file as well."""
    cells = [_cells(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for where, what, printed, computed, verdict, note in cells:
        line = f"{where:<{widths[0]}}  {what:<{widths[1]}}  {printed:>{widths[2]}}  {computed:>{widths[3]}}"
        print(f"{line}  {verdict:<{widths[4]}}  {note}".rstrip())
    verdicts = [row.verdict for row in rows]
    counts = (f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))
    print(f"{len(rows)} figures: {', '.join(counts)}.")


def _cells(row: Row) -> tuple[str, ...]:
    printed = f"paper {row.paper:.{row.digits}f} {row.unit}".rstrip()
    more = 2 if row.digits else 0
    computed = "" if row.computed is None else f"here {row.computed:.{row.digits + more}f}"
    return row.where, row.what, printed, computed, row.verdict, row.note
