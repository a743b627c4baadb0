"""What an item comes to: tables as Markdown and CSV, claims with their verdicts, and a figure."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trionet_nni.files.atomic import replacing, write_text
from trionet_nni.reproduce.statistics import Claim

Draw = Callable[[Any], None]  # on a matplotlib figure


@dataclass(frozen=True)
class Report:
    """A finished item.

    Attributes:
        name: e.g. "table3".
        title: what it shows.
        conditions: under which everything in it was measured.
        header, rows: the table; paper's and measured columns are apart.
        claims: of the paper, tested.
        draw: puts the figure on a matplotlib figure.
        summary: sentences above the table.
        runs: what the CSV file holds instead of the table, its header first: every run by itself.
    """

    name: str
    title: str
    conditions: tuple[str, ...]
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    claims: tuple[Claim, ...]
    draw: Draw
    summary: tuple[str, ...] = ()
    runs: tuple[tuple[str, ...], ...] = ()

    def markdown(self) -> str:
        """The page: summary, table, claims with their verdicts, conditions, figure."""
        above = [line for sentence in self.summary for line in (sentence, "")]
        parts = [f"# {self.title}", "", *above, *_table(self.header, self.rows)]
        if self.claims:
            parts += ["", *_table(_CLAIMS, [_claim(claim) for claim in self.claims])]
            parts += ["", _EXPLANATION]
        parts += ["", *(f"- {line}" for line in self.conditions), "", f"![{self.title}]({self.name}.png)"]
        return "\n".join(parts) + "\n"

    def write(self, folder: Path) -> tuple[Path, ...]:
        """Write `<name>.md`, `<name>.csv` and `<name>.png`.

        Returns:
            Their paths.
        """
        paths = tuple(folder / f"{self.name}.{kind}" for kind in ("md", "csv", "png"))
        write_text(paths[0], self.markdown())
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(self.runs or (self.header, *self.rows))
        write_text(paths[1], text.getvalue())
        _write_figure(paths[2], self.draw)
        return paths


_CLAIMS = ("claim of the paper", "paper", "measured difference", "90 % interval", "seeds for it", "verdict")
_EXPLANATION = (
    "Differences are in percentage points (losses: as they are, positive for the claim), paired by seed; "
    "intervals by Student's t. A claim has held, or is reversed, where the whole interval lies on one side "
    "of zero; else it is not shown, with how many seeds would decide it if they differed as these do."
)


def _claim(claim: Claim) -> tuple[str, ...]:
    mean = sum(claim.differences) / len(claim.differences)
    interval = claim.interval
    return (
        claim.text,
        "" if claim.paper is None else f"{claim.paper:+.1f}",
        _amount(claim, mean),
        "one seed" if interval is None else " … ".join(_amount(claim, end) for end in interval),
        claim.for_it,
        _verdict(claim),
    )


def _amount(claim: Claim, difference: float) -> str:
    return f"{difference:+.3f} loss" if claim.unit == "loss" else f"{100 * difference:+.1f}"


def _verdict(claim: Claim) -> str:
    if claim.verdict != "not shown" or len(claim.differences) < 2:
        return claim.verdict
    return f"{claim.verdict} (seeds to decide: {claim.deciding or 'over 100'})"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _write_figure(path: Path, draw: Draw) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    draw(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=130, format="png")
