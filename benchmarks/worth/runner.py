"""Computing units one after the other, each once."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterable

from benchmarks.worth.case import ROOT
from benchmarks.worth.meter import Meter
from benchmarks.worth.unit import Bench, Unit
from trionet_nni.errors import InputError, RunFailed


def run(units: Iterable[Unit], bench: Bench, seconds: float) -> int:
    """Compute what is missing, in this order; returns how many units were computed.

    A unit that fails, by diverging twice for example, is told and left out, and so is what needs it.

    Args:
        seconds: of CPU; no unit is begun that by its estimate would end later.
    """
    begin, count = time.process_time(), 0
    for unit in units:
        if bench.result(unit) is not None:
            continue
        if time.process_time() - begin + unit.estimate > seconds:
            break
        lacking = [need.title for need in unit.needs if bench.result(need) is None]
        if lacking:
            print(f"{unit.title}: left out, it needs {lacking[0]}", flush=True)
            continue
        try:
            compute(unit, bench)
            count += 1
        except (InputError, RunFailed) as error:
            print(f"failed: {error}", flush=True)
    return count


def compute(unit: Unit, bench: Bench) -> None:
    """Compute one unit, or go on with it, and store what it came to."""
    folder = bench.work(unit)
    meter = Meter(folder / "cpu.json")
    print(f"{unit.title} … ", end="", flush=True)
    unit.prepare(bench)
    with meter:
        found = unit.compute(bench, meter)
    kept = {"title": unit.title, "kind": unit.kind, "case": unit.case.name, "commit": commit()}
    spent = {"cpu_seconds": round(meter.seconds, 1), "starts": meter.starts}
    bench.records.add(unit.identity, {**kept, **spent, **found})
    shutil.rmtree(folder)
    print(f"{_said(found)}{meter.seconds:.0f} s", flush=True)


def commit() -> str:
    """The commit of this checkout, with a + where files differ from it; empty outside one."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _said(found: dict[str, object]) -> str:
    loss, accuracy = found.get("loss"), found.get("accuracy")
    if not isinstance(loss, float) or not isinstance(accuracy, float):
        return ""
    return f"loss {loss:.4f}, accuracy {accuracy:.4f}, "
