"""Speeds as ratios: both sides interleaved in one run, medians with their spread, a target beside each.

A machine that others share changes its speed within minutes; two things timed in turn change together.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch

from trionet_nni.training.process import prepare_process

Bound = Literal["at most", "at least"]


@dataclass(frozen=True)
class Row:
    """One measured ratio.

    Attributes:
        case: what was compared, in words.
        ratio: of the medians (of seconds, bytes or images a second, as `case` says).
        low, high: quartiles of the ratios of single rounds.
        rounds: how often both sides ran; 1 for what does not vary, such as counted bytes.
        target: what `ratio` should reach; None for a ratio that is only reported.
        bound: which side of `target` is good.
        note: what one must know to read the figure.
    """

    case: str
    ratio: float
    low: float
    high: float
    rounds: int
    target: float | None = None
    bound: Bound = "at most"
    note: str = ""

    @property
    def ok(self) -> bool | None:
        """Whether the target was reached; None without a target."""
        if self.target is None:
            return None
        return self.ratio <= self.target if self.bound == "at most" else self.ratio >= self.target

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the JSON output."""
        return {**asdict(self), "ok": self.ok}


@dataclass(frozen=True)
class Timings:
    """Seconds of every side in every round."""

    seconds: Mapping[str, tuple[float, ...]]

    def median(self, side: str) -> float:
        """Of one side, in seconds."""
        return statistics.median(self.seconds[side])

    def row(
        self,
        case: str,
        side: str,
        base: str,
        target: float | None = None,
        *,
        bound: Bound = "at most",
        note: str = "",
    ) -> Row:
        """Median of `side` ÷ median of `base`."""
        pairs = [a / b for a, b in zip(self.seconds[side], self.seconds[base], strict=True)]
        low, high = (min(pairs), max(pairs)) if len(pairs) < 4 else statistics.quantiles(pairs, n=4)[::2]
        ratio = self.median(side) / self.median(base)
        return Row(case, ratio, low, high, len(pairs), target, bound, note)


def interleaved(
    sides: Mapping[str, Callable[[], object]], rounds: int = 15, warmup: int = 2, shortest: float = 0.02
) -> Timings:
    """Run every side once a round, in turn.

    Args:
        sides: name → what to time. On CUDA it must synchronize by itself.
        rounds: timed rounds.
        warmup: rounds before them that are not timed.
        shortest: a side that takes less (seconds) is repeated within its turn until it takes as long.
    """
    repeats = {}
    for name, run in sides.items():
        for _ in range(warmup):
            start = time.perf_counter()
            run()
            last = time.perf_counter() - start
        repeats[name] = max(1, round(shortest / max(last, 1e-6)))
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds):
        order = list(sides) if turn % 2 == 0 else list(reversed(sides))
        for name in order:
            start = time.perf_counter()
            for _ in range(repeats[name]):
                sides[name]()
            seconds[name].append((time.perf_counter() - start) / repeats[name])
    return Timings({name: tuple(values) for name, values in seconds.items()})


def arguments(description: str) -> argparse.ArgumentParser:
    """The options that every benchmark has: --json, --threads, --rounds."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="JSON alone on standard output")
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default: 1)")
    parser.add_argument("--rounds", type=int, default=15, help="timed rounds of each comparison")
    return parser


def prepare(options: argparse.Namespace, keep_memory: bool = True) -> None:
    """Settings of this process: threads, and all else as in a trial.

    Args:
        keep_memory: False leaves malloc as it comes, which hands large tensors back to the system: so run
            those who use an operator alone.
    """
    torch.set_num_threads(options.threads)
    if keep_memory:
        prepare_process()
    else:
        torch.set_flush_denormal(True)
    torch.manual_seed(0)


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def show(rows: Iterable[Row], options: argparse.Namespace, extra: Mapping[str, Any] | None = None) -> int:
    """Print rows as they come, or at the end as one JSON object {"machine", "rows", …extra}.

    Returns:
        0: a missed target is a result, not an error of the command.
    """
    shown = []
    for row in rows:
        shown.append(row)
        print(line(row), file=sys.stderr if options.json else sys.stdout, flush=True)
    if options.json:
        result = {"machine": machine(), "rows": [row.to_dict() for row in shown], **(extra or {})}
        print(json.dumps(result))
    return 0


def line(row: Row) -> str:
    """A row for the eye."""
    target = ""
    if row.target is not None:
        sign = "≤" if row.bound == "at most" else "≥"
        target = f"  {sign} {row.target:g} {'ok' if row.ok else 'MISSED'}"
    note = f"  ({row.note})" if row.note else ""
    return f"{row.case:<64} {row.ratio:7.3f} [{row.low:.3f} … {row.high:.3f}]{target}{note}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            names = [text.split(":", 1)[1].strip() for text in file if text.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
