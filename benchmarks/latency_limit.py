"""Does a limit on latency hold? Tables beside networks that they have not seen, and a search under a limit.

    python -m benchmarks.latency_limit runs/latency-limit
    python -m benchmarks.latency_limit FOLDER --networks 6 --candidates 6 --steps 20   # a try-out

For each backend every candidate block of the space is timed on this machine (or what the folder lacks), and
predictions are compared with networks that the table has not seen. Then `trionet search` looks for networks
for the quickstart's digits under a limit that four of ten networks keep by the table, and what it exports
is timed, in turn with the unseen networks once more: what these take now ÷ what they took before says
whether the machine has changed its speed. How busy it is with other work stands beside each number: all of
them are worth little where that is more than a few per cent.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
import yaml
from numpy.random import RandomState

from benchmarks.small_search import QUICKSTART, ROOT
from trionet_nni.architecture.budget import Budget
from trionet_nni.architecture.cost import CostModel
from trionet_nni.export.deploy.block_latencies import (
    Conditions,
    check_table,
    measure_table,
    processor,
    unseen,
)
from trionet_nni.export.deploy.latency import latency
from trionet_nni.export.load import load
from trionet_nni.files.atomic import write_json, write_text
from trionet_nni.network.trionet import TrioNet
from trionet_nni.settings.latency_table import LatencyTable
from trionet_nni.settings.plugins import load_table
from trionet_nni.training.process import prepare_process

_BACKENDS = ("onnxruntime", "torch")
_KEPT = 0.4  # share of the space's networks that keep the limit, by the table
_LOOK_SECONDS, _NETWORK_SECONDS = 3.0, 2.0


@dataclass(frozen=True)
class Predicted:
    """A table beside networks that it has not seen.

    Attributes:
        busy: what other work took of all cores, percent, before and after.
        error: median of |predicted − measured| ÷ measured.
        tau: Kendall's.
        margin: of the table.
        within: share of networks that took no longer than predicted with the margin.
        took: what each took, milliseconds.
    """

    backend: str
    busy: tuple[float, float]
    networks: int
    error: float
    tau: float
    margin: float
    within: float
    took: tuple[float, ...]


@dataclass(frozen=True)
class Held:
    """One exported network under a limit: the median pass, milliseconds."""

    backend: str
    folder: str
    operators: str
    limit: float
    predicted: float
    measured: float


def main() -> int:
    """Print a line a table and a network, and write `FOLDER/result.json`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--space", default="spaces.tiny")
    parser.add_argument("--backends", nargs="+", choices=_BACKENDS, default=list(_BACKENDS))
    parser.add_argument("--networks", type=int, default=24)
    parser.add_argument("--candidates", type=int, default=40)
    parser.add_argument("--steps", type=int, default=200, help="of the supernet: no accuracy is looked at")
    options = parser.parse_args()
    prepare_process()
    torch.set_num_threads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    print(f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    tables, exported = [], []
    for backend in options.backends:
        tables.append(_table(options, backend))
        print(_line(tables[-1]), flush=True)
    for table in tables:
        exported += _search(options, table)
    result = {"machine": processor(), "tables": [asdict(one) for one in tables]}
    write_json(options.folder / "result.json", {**result, "exported": [asdict(one) for one in exported]})
    return 0


def _conditions(space: str, backend: str) -> Conditions:
    return Conditions(load_table(space), CostModel(10, 1, 28), backend, 1, 1)


def _table(options: argparse.Namespace, backend: str) -> Predicted:
    conditions, before = _conditions(options.space, backend), _busy()
    table = measure_table(conditions, _file(options, backend))
    found = check_table(table, conditions, options.networks)
    safe = (1 + table.file.margin) * np.array(found.predicted)
    within = float((np.array(found.measured) <= safe).mean())
    busy = (before, _busy())
    quality = found.error, found.tau, table.file.margin, within
    return Predicted(backend, busy, len(found.measured), *quality, found.measured)


def _file(options: argparse.Namespace, backend: str) -> Path:
    path: Path = options.folder / f"{options.space}-{backend}.json"
    return path.resolve()


def _busy() -> float:
    """What other processes take of all cores while this one waits, percent."""
    return float(psutil.cpu_percent(_LOOK_SECONDS))


def _line(one: Predicted) -> str:
    aims = f"median error {one.error:.1%} (aim: 5 %), Kendall's τ {one.tau:.3f} (aim: 0.9)"
    margin = f"{one.within:.0%} within the margin of {one.margin:.1%} (aim: 97 %)"
    return f"{one.backend}: {one.networks} networks, {aims}, {margin}; busy {_percents(one.busy)}"


def _percents(busy: tuple[float, float]) -> str:
    return f"{busy[0]:.0f} % before, {busy[1]:.0f} % after"


def _search(options: argparse.Namespace, before_it: Predicted) -> list[Held]:
    backend = before_it.backend
    table, conditions = LatencyTable.load(_file(options, backend)), _conditions(options.space, backend)
    limit = _limit(conditions, table)
    out = options.folder / f"out-{backend}"
    _run(options, backend, limit, out)
    before = _busy()
    folders = sorted((path.parent for path in out.glob("*/card.json")), key=lambda folder: folder.name)
    networks = {folder.name: (load(folder), (1, 28, 28)) for folder in folders}
    again = {f"unseen {n}": (one, (1, 28, 28)) for n, one in enumerate(_unseen(conditions, before_it))}
    found = latency({**networks, **again}, [1], backend=backend, seconds=_NETWORK_SECONDS)
    busy = (before, _busy())
    changes = [one.p50 / took for one, took in zip(found[len(networks) :], before_it.took, strict=True)]
    print(f"{backend}: the unseen networks take {np.median(changes):.3f} of what they took before")
    held = []
    for one, (network, _) in zip(found, networks.values(), strict=False):
        chosen = network.architecture
        held.append(Held(backend, one.network, chosen.operators, limit, table.predict(chosen), one.p50))
    for row in sorted(held, key=lambda row: row.measured):
        share = row.measured / limit
        print(f"  {row.measured:7.3f} ms  {share:6.1%}  predicted {row.predicted:7.3f}  {row.operators}")
    kept = sum(row.measured <= limit for row in held)
    text = f"{kept} of {len(held)} exported networks keep {limit:.3f} ms, measured"
    print(f"{backend}: {text}; busy {_percents(busy)}", flush=True)
    return held


def _unseen(conditions: Conditions, before_it: Predicted) -> list[TrioNet]:
    """As the check made them, with start weights."""
    cost = conditions.cost
    return [
        TrioNet(one, classes=cost.classes, channels=cost.channels, image_size=conditions.image_size)
        for one in unseen(conditions, before_it.networks)
    ]


def _limit(conditions: Conditions, table: LatencyTable) -> float:
    free, random = Budget.of(conditions.table, conditions.cost, 0, float("inf")), RandomState(0)
    safe = 1 + table.file.margin
    return float(np.quantile([safe * table.predict(free.random(random)) for _ in range(200)], _KEPT))


def _run(options: argparse.Namespace, backend: str, limit: float, out: Path) -> None:
    """Search with the quickstart's data through the command that a user types, in a home of its own."""
    settings: dict[str, Any] = yaml.safe_load(QUICKSTART.read_text(encoding="utf-8"))
    working = (options.folder / "runs").resolve()
    settings |= {
        "maxTrialNumber": options.candidates + 1,
        "experimentWorkingDirectory": str(working),
        "trialCodeDirectory": str(ROOT),
    }
    settings["tuner"]["codeDirectory"] = str(ROOT)
    arguments = settings["tuner"]["classArgs"]
    arguments["space"] = options.space
    arguments["supernet"]["curve_points"] = 1
    arguments["supernet"]["recipe"] |= {"steps": options.steps, "warmup_epochs": 0}
    few = max(2, options.candidates // 2)
    arguments["search"] |= {"max_flops": 1e12, "band": 0, "population": few, "parents": max(2, few // 2)}
    arguments["search"] |= {"finalists": None}
    arguments["search"]["budget"] = {"latency_ms": limit, "table": str(_file(options, backend))}
    path = options.folder / f"search-{backend}.yml"
    write_text(path, yaml.safe_dump(settings))
    home = options.folder / "home"
    home.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "trionet_nni.cli", "search", str(path.resolve()), "--quiet", "--new"]
    command += ["-o", str(out.resolve()), "--top", str(options.candidates)]
    environment = {**os.environ, "HOME": str(home.resolve())}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
