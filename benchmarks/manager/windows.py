"""`python -m benchmarks.manager.windows FOLDER/samples.jsonl`: a soak's samples as a table."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

Sample = dict[str, Any]
_COLUMNS = (
    "candidates", "s each", "load", "manager MB", "advisor MB", "evaluators MB", "terminal MB", "files",
    "manager s", "advisor s", "terminal s", "written kB", "database MB", "portal s", "trials s",
)  # fmt: skip

_SPENT = ("manager cpu", "advisor cpu", "terminal cpu")
_ANSWERS = ("status seconds", "trials seconds")


def main(path: str, window: str = "200") -> int:
    samples = [json.loads(line) for line in Path(path).read_text().splitlines()]
    print(f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}")
    for part in windows(samples, int(window)):
        print(f"| {' | '.join(row(part))} |")
    return 0


def windows(samples: list[Sample], size: int) -> Iterator[list[Sample]]:
    """Samples between which so many candidates were finished; a resumed search begins a new one."""
    part: list[Sample] = []
    for sample in samples:
        if part and sample.get("advisor cpu", 0) < part[-1].get("advisor cpu", 0):
            part = []
        part.append(sample)
        if sample["done"] - part[0]["done"] >= size:
            yield part
            part = [sample]
    if part and part[-1]["done"] - part[0]["done"] >= size // 4:
        yield part


def row(part: list[Sample]) -> list[str]:
    """Of one window; memory and files at its end, answers of the portal in the middle of all."""
    first, last = part[0], part[-1]
    done = last["done"] - first["done"]
    numbers = (
        (last["time"] - first["time"]) / done,
        median(one["load"] for one in part),
        *(last[f"{kind} rss"] / 1e6 for kind in ("manager", "advisor", "evaluator", "terminal")),
        last["manager files"],
        *((last[name] - first.get(name, 0)) / done for name in _SPENT),
        (last["advisor written"] - first.get("advisor written", 0)) / done / 1e3,
        last["database bytes"] / 1e6,
        *(median(one[name] for one in part if name in one) for name in _ANSWERS),
    )
    return [f"{first['done']}–{last['done']}", *(f"{number:.3g}" for number in numbers)]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
