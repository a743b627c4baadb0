"""`python -m benchmarks.manager`: what a candidate costs beside its evaluation, alone or beside others."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.manager.experiment import ROOT, Experiment, Settings
from benchmarks.manager.stages import stages_of
from trionet_nni.files.atomic import write_json
from trionet_nni.plan.simulation import Outcome, Overheads, Search, simulate

_Spent = tuple[int, dict[str, float]]
_COLUMNS = ("notice", "advise", "start", "process", "evaluation", "report", "overhead", "rate")


def main() -> int:
    options = _options()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="manager-"))
    print(_conditions(options, folder), flush=True)
    rows: list[dict[str, Any]] = []
    for concurrency in options.concurrency:
        settings = Settings(options.candidates, concurrency, options.seconds)
        rows.append(measure(folder / f"concurrency-{concurrency}", settings))
        write_json(folder / "manager.json", rows)
        print(json.dumps(rows[-1]), flush=True)
    print(f"\n{table(rows)}\n\n{checked(rows, options)}")
    return 0


def measure(folder: Path, settings: Settings) -> dict[str, Any]:
    """One search: its stages, and the processor seconds a candidate of manager, advisor and trials."""
    experiment, loads = Experiment(folder, settings), []
    began: _Spent = (0, {})
    spent: _Spent = (0, {})  # candidates that were done, and processor seconds until then
    experiment.start()
    try:
        while experiment.status() is None:
            found, done = _spent(experiment), experiment.done()
            spent = (done, found) if found else spent
            began = began if began[0] else spent
            loads.append(psutil.getloadavg()[0])
            time.sleep(1)
        files = experiment.files
        if experiment.status() or files is None:
            raise RuntimeError((experiment.folder / "terminal.log").read_text()[-2000:])
        stages = stages_of(files.root, experiment.stamps, settings.concurrency)
    finally:
        experiment.close()
    done = max(1, spent[0] - began[0])
    cpu = {f"{name} cpu": (seconds - began[1].get(name, 0)) / done for name, seconds in spent[1].items()}
    found = {"concurrency": settings.concurrency, **stages.to_dict(), **cpu}
    return {name: round(value, 4) for name, value in found.items()} | {"load": max(loads)}


def _spent(experiment: Experiment) -> dict[str, float]:
    """Processor seconds so far; those of the manager's children are those of the trials that have ended."""
    processes, found = experiment.processes(), {}
    with suppress(psutil.Error, IndexError):
        manager = processes["manager"][0].cpu_times()
        advisor = processes["advisor"][0].cpu_times()
        terminal = processes["terminal"][0].cpu_times()
        found = {
            "manager": manager.user + manager.system,
            "trials": manager.children_user + manager.children_system,
            "advisor": advisor.user + advisor.system,
            "terminal": terminal.user + terminal.system,
        }
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """Seconds a candidate by stage, candidates a second, and processor seconds, as a table of Markdown."""
    cpu = ("manager cpu", "advisor cpu", "trials cpu", "terminal cpu")
    names = ("concurrency", *_COLUMNS, *cpu, "load")
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [f"| {' | '.join(f'{row.get(name, 0):.4g}' for name in names)} |" for row in rows]
    return "\n".join(lines)


def checked(rows: list[dict[str, Any]], options: argparse.Namespace) -> str:
    """What the simulation says with the overheads of the first row, beside what was measured."""
    costs = overheads(rows[0])
    lines = [f"simulated with {costs}"]
    for row in rows:
        outcome = predicted(row["concurrency"], options, costs)
        first = 2 * row["concurrency"] + 2
        rate = (len(outcome.ends) - first) / (outcome.ends[-1] - outcome.ends[first - 1])
        lines.append(
            f"  {row['concurrency']} workers: measured {row['rate']:.3f} candidates a second, simulated "
            f"{rate:.3f} ({100 * (rate / row['rate'] - 1):+.0f} %), {outcome.limit}"
        )
    return "\n".join(lines)


def overheads(row: dict[str, Any]) -> Overheads:
    """Of a run with one worker: nothing waits for anything but the manager's next look."""
    return Overheads(
        poll=0.5,
        manage=row.get("manager cpu", 0.03),
        advise=row["advise"],
        before=row["process"],
        after=row["report"],
        computing=min(1.0, row["trials cpu"] / (row["process"] + row["report"])),
    )


def predicted(workers: int, options: argparse.Namespace, costs: Overheads) -> Outcome:
    """Of this machine, whose cores the trials share."""
    cores = len(psutil.Process().cpu_affinity())
    search = Search(
        options.candidates, options.seconds, workers, evaluators=min(workers, cores), cores=cores
    )
    return simulate(search, costs)


def _conditions(options: argparse.Namespace, folder: Path) -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    return (
        f"{time.strftime('%Y-%m-%d %H:%M')}, commit {commit.stdout.strip()}, Python "
        f"{platform.python_version()}, {psutil.cpu_count()} cores, load {psutil.getloadavg()[0]:.1f}: "
        f"{options.candidates} candidates of {options.seconds:g} s, in {folder}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.manager", description=__doc__)
    parser.add_argument("--candidates", type=int, default=100, help="of each search")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--seconds", type=float, default=0.0, help="of an evaluation")
    parser.add_argument("--folder", type=Path, help="a new one (default: below the temporary folder)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
