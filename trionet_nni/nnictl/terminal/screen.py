"""Live progress in a terminal; a line now and then where there is none."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from trionet_nni.finalists.results import Standing
from trionet_nni.nnictl.terminal.finalists import FinalistProgress
from trionet_nni.nnictl.terminal.watch import Snapshot
from trionet_nni.supernet.results import Evaluation

_QUIET_SECONDS = 15.0


class Screen:
    """Shows snapshots. A context manager.

    Args:
        address: of the portal.
    """

    def __init__(self, console: Console, address: str) -> None:
        self._console, self._address = console, address
        self._live = Live(console=console, transient=True) if console.is_terminal else None
        self._said, self._said_at = "", 0.0

    def __enter__(self) -> Screen:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, snapshot: Snapshot) -> None:
        """Bring the display up to date."""
        if self._live is not None:
            self._live.update(panel(snapshot, self._address))
            return
        stage = f"{snapshot.stage}{snapshot.status}"
        line = summary(snapshot)
        changed = stage != self._said.partition(" ")[0]
        due = time.monotonic() - self._said_at > _QUIET_SECONDS and line != self._said.partition(" ")[2]
        if changed or due or snapshot.over:
            self._console.print(line, highlight=False, soft_wrap=True)
            self._said, self._said_at = f"{stage} {line}", time.monotonic()


def panel(snapshot: Snapshot, address: str) -> RenderableType:
    """The live display: stage, bar, what is known, portal."""
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="bold")
    rows.add_column()
    if snapshot.stage == "candidates":
        rows.add_row("candidates", _bar(snapshot.done, snapshot.total))
        rows.add_row("failed trials", str(snapshot.failed))
        rows.add_row("best so far", _best(snapshot.best))
    elif snapshot.finalists is not None:
        finalists = snapshot.finalists
        rows.add_row("finalists", _bar(finalists.step, finalists.steps))
        rows.add_row("rung", f"{finalists.rung} of {finalists.rungs}, {_trained(finalists)}")
        rows.add_row("failed trials", str(snapshot.failed))
        rows.add_row("best so far", _winner(finalists.best))
    elif snapshot.stage == "supernet":
        rows.add_row("supernet", _bar(snapshot.step, snapshot.steps))
        rows.add_row("curve", _curve(snapshot.curve) or "first point to come")
    else:
        rows.add_row("starting", "NNI's manager and the search are loading")
    rows.add_row("time left", _duration(snapshot.eta))
    rows.add_row("portal", Text(address, style="link " + address))
    return rows


def summary(snapshot: Snapshot) -> str:
    """The same in one line."""
    if snapshot.stage == "starting":
        return f"starting ({snapshot.status.lower()})"
    left = f", {_duration(snapshot.eta)} left" if snapshot.eta is not None and not snapshot.over else ""
    if snapshot.stage == "supernet":
        curve = f", {_curve(snapshot.curve)}" if snapshot.curve else ""
        return f"supernet: step {snapshot.step} of {snapshot.steps}{curve}{left}"
    if snapshot.finalists is not None:
        finalists = snapshot.finalists
        best = f", best {_winner(finalists.best)}" if finalists.best else ""
        return (
            f"finalists: rung {finalists.rung} of {finalists.rungs}, {_trained(finalists)}, "
            f"{snapshot.failed} failed{best}{left}"
        )
    best = f", best {_best(snapshot.best)}" if snapshot.best else ""
    return f"candidates: {snapshot.done} of {snapshot.total}, {snapshot.failed} failed{best}{left}"


def _bar(done: int, total: int) -> RenderableType:
    line = Table.grid(padding=(0, 1))
    line.add_row(ProgressBar(total=max(1, total), completed=done, width=40), f"{done} of {total}")
    return Group(line)


def _best(best: Evaluation | None) -> str:
    if best is None:
        return "none yet"
    loss = "" if best.loss is None else f"loss {best.loss:.4f}, "
    return f"{loss}{best.accuracy:.1%} with {best.flops / 1e6:.1f} MFLOPs"


def _trained(finalists: FinalistProgress) -> str:
    return f"{finalists.done} of {finalists.total} trained"


def _winner(best: Standing | None) -> str:
    if best is None:
        return "none yet"
    times = len(best.results)
    mean = f"mean of {times} trainings" if times > 1 else "one training"
    return f"loss {best.loss:.4f}, {best.accuracy:.1%} from scratch, {mean}"


def _curve(curve: dict[str, float]) -> str:
    names = {"default": "mean"}
    return ", ".join(f"{names.get(name, name)} {value:.1%}" for name, value in curve.items())


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "not known yet"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
