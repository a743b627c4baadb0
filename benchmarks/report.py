"""`make bench`: run every benchmark and write docs/performance.md from what they printed.

The JSON of each run is kept under build/bench/N/; the page shows the last two runs side by side, so that
a reader sees what a repetition changes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from trionet_nni.files.atomic import replacing, write_json

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "build" / "bench"
PAGE = ROOT / "docs" / "performance.md"
GROWTH = {  # benchmark → its picture
    "local_attention": ROOT / "docs" / "growth.png",
    "axial_attention": ROOT / "docs" / "growth-axial.png",
}
NOTES = ROOT / "docs" / "performance-notes.md"
BENCHMARKS = {
    "local_attention": "Local attention",
    "axial_attention": "Axial attention",
    "attention_peers": "Attention of other packages",
    "block": "Blocks",
    "supernet_step": "The supernet's training step",
    "evaluation": "Evaluation of candidates",
    "gpu": "GPU",
}
Run = dict[str, dict[str, Any]]  # benchmark → its JSON


def main() -> int:
    """Run what was asked for, then write the page; 1 when a benchmark failed to run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=list(BENCHMARKS), help="run these (default: all)")
    parser.add_argument("--page-only", action="store_true", help="write the page from earlier runs")
    options = parser.parse_args()
    failed = [] if options.page_only else run(options.only or list(BENCHMARKS), _next_folder())
    if not options.page_only and not options.only:
        for name, picture in GROWTH.items():
            growth = [sys.executable, "-m", f"benchmarks.{name}", "--growth", str(picture)]
            subprocess.run(growth, cwd=ROOT, check=False)
    runs = [_read(folder) for folder in _folders()]
    if not runs:
        print(f"report: {RUNS}: found no run, allowed: one", file=sys.stderr)
        return 2
    with replacing(PAGE) as temporary:
        temporary.write_text(page(runs), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {_verdict(runs[-1])}")
    for name in failed:
        print(f"report: benchmarks.{name} failed", file=sys.stderr)
    return 1 if failed else 0


def run(names: list[str], folder: Path) -> list[str]:
    """Run benchmarks one after the other; returns those that failed."""
    failed = []
    for name in names:
        print(f"\n{name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json"]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            failed.append(name)
            continue
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / f"{name}.json", json.loads(done.stdout))
    return failed


_HEAD = """# Performance

Written by `make bench`; do not edit. Every figure is a ratio of medians, both sides timed in turn in one
run, with the quartiles of the single rounds' ratios in brackets. Columns are repetitions of the whole.
"""
_NOTES = "[Notes](performance-notes.md): how to read this, what missed its target and why.\n"
_GROWTH = """
## Growth of {title}

`python -m benchmarks.{name} --growth docs/{picture}.png`, figures in [{picture}.json]({picture}.json).

![Time and memory against the size of the map]({picture}.png)
"""


def page(runs: list[Run]) -> str:
    """The page: one table a benchmark, one column for each of its last two runs."""
    parts = [_HEAD, *([_NOTES] if NOTES.exists() else []), *_machines(runs[-1])]
    for name, title in BENCHMARKS.items():
        tables = [found[name] for found in runs if name in found][-2:]
        if tables:
            parts += ["", f"## {title}", "", f"`python -m benchmarks.{name}`", "", *_table(tables)]
            parts += _memory(tables[-1].get("memory_mib", {}))
    for name, picture in GROWTH.items():
        if picture.exists():
            title = BENCHMARKS[name].lower()
            parts.append(_GROWTH.format(name=name, picture=picture.stem, title=title))
    return "\n".join(parts) + "\n"


def _table(tables: list[dict[str, Any]]) -> list[str]:
    columns = [{row["case"]: row for row in table["rows"]} for table in tables]
    heads = [f"run {number}" for number in range(1, len(columns) + 1)]
    lines = [f"| case | {' | '.join(heads)} | target | |", "|---" * (len(heads) + 3) + "|"]
    notes: dict[str, int] = {}
    for case, row in columns[-1].items():
        cells = [_cell(column.get(case)) for column in columns]
        mark = notes.setdefault(row["note"], len(notes) + 1) if row["note"] else None
        name = case.replace("|", r"\|")  # else it would end the cell
        label = f"{name} <sup>{mark}</sup>" if mark else name
        lines.append(f"| {label} | {' | '.join(cells)} | {_target(row)} | {_ok(columns, case)} |")
    return lines + [text for note, mark in notes.items() for text in ("", f"<sup>{mark}</sup> {note}")]


def _memory(table: dict[str, dict[str, float]]) -> list[str]:
    """Peak memory of forward and backward, a line a shape."""
    if not table:
        return []
    names = list(next(iter(table.values())))
    lines = ["", "Peak memory above the inputs, forward and backward, batch 8, MiB:", ""]
    lines += [f"| (map, channels, window) | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for shape, peaks in table.items():
        lines.append(f"| {shape} | {' | '.join(f'{peaks[name]:g}' for name in names)} |")
    return lines


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    spread = f" [{row['low']:.3g} … {row['high']:.3g}]" if row["rounds"] > 1 else ""
    return f"{row['ratio']:.3g}{spread}"


def _target(row: dict[str, Any]) -> str:
    if row["target"] is None:
        return ""
    return f"{'≤' if row['bound'] == 'at most' else '≥'} {row['target']:g}"


def _ok(columns: list[dict[str, Any]], case: str) -> str:
    verdicts = [column[case]["ok"] for column in columns if case in column]
    if verdicts[-1] is None:
        return ""
    if all(verdicts):
        return "met"
    return "**missed**" if not any(verdicts) else "met once"


def _machines(found: Run) -> list[str]:
    texts = set()
    for result in found.values():
        machine = result["machine"]
        threads = f"{machine['threads']} thread{'s' if machine['threads'] > 1 else ''}"
        texts.add(
            f"{machine['processor']}, {threads}, torch {machine['torch']}, Python {machine['python']}, "
            f"{machine['cuda'] or 'no GPU'}."
        )
    return sorted(texts)


def _verdict(found: Run) -> str:
    rows = [row for result in found.values() for row in result["rows"] if row["ok"] is not None]
    missed = [f"\n  missed: {row['case']}" for row in rows if not row["ok"]]
    return f"{len(rows) - len(missed)} of {len(rows)} targets met{''.join(missed)}"


def _folders() -> list[Path]:
    found = RUNS.iterdir() if RUNS.is_dir() else ()
    return sorted((path for path in found if path.name.isdecimal()), key=lambda path: int(path.name))


def _next_folder() -> Path:
    folders = _folders()
    return RUNS / str(int(folders[-1].name) + 1 if folders else 1)


def _read(folder: Path) -> Run:
    files = sorted(folder.glob("*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


if __name__ == "__main__":
    sys.exit(main())
