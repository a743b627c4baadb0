"""`python -m tests.nnictl`: nnictl typed by hand, and what stood on the terminal.

No GPU, no data, wrong YAML, an unknown setting, and a search in miniature to its end: after each the exit
status is in the next prompt, and a line says which processes are left. Minutes; ends with status 1 where
something is left or a status is not what it must be.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from tests.helpers.checkout import ROOT
from tests.helpers.patience import until
from tests.helpers.shell import Shell
from trionet_nni.nnictl.manager.portal import free_port
from trionet_nni.nnictl.terminal.front_door import ADVISOR

_wrong: list[str] = []


def main() -> int:
    """All cases, one after the other."""
    with tempfile.TemporaryDirectory(prefix="trionet-by-hand-") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        variables = {"CUDA_VISIBLE_DEVICES": "", "TRIONET_DATA": str(folder / "data")}
        with Shell(folder, **variables) as shell:
            _refused(shell, "no GPU", "experiments/imagenet.yml")
            _refused(shell, "no data", "experiments/mine.yml")
            broken = _written(folder / "wrong.yml", f"tuner:\n\tclassName: {ADVISOR}\n")
            _refused(shell, "wrong YAML", str(broken))
            text = yaml.safe_dump(miniature(folder)).replace("population", "populaton")
            _refused(shell, "a setting that there is not", str(_written(folder / "typo.yml", text)))
            _all_well(shell, _written(folder / "small.yml", yaml.safe_dump(miniature(folder))))
    print("all as it must be" if not _wrong else f"WRONG: {'; '.join(_wrong)}")
    return bool(_wrong)


def miniature(folder: Path) -> dict[str, Any]:
    """experiments/quickstart.yml on fewer steps, candidates and finalists."""
    settings: dict[str, Any] = yaml.safe_load((ROOT / "experiments" / "quickstart.yml").read_text())
    settings |= {"trialCodeDirectory": str(ROOT), "experimentWorkingDirectory": str(folder / "runs")}
    settings |= {"maxTrialNumber": 9, "trialConcurrency": 1}
    settings["tuner"]["codeDirectory"] = str(ROOT)
    arguments = settings["tuner"]["classArgs"]
    arguments["space"] = "spaces.tiny"
    arguments["data"] |= {"search_images": 100, "recalibration_images": 32}
    arguments["supernet"] |= {"curve_points": 1}
    arguments["supernet"]["recipe"] |= {"steps": 10, "warmup_epochs": 0}
    arguments["search"] |= {"max_flops": 2.0e7, "band": 0, "population": 4, "parents": 2, "finalists": None}
    return settings


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _refused(shell: Shell, title: str, file: str) -> None:
    """What cannot work: one line within 15 seconds on an idle machine, status 2, nothing left."""
    _title(title)
    started = time.monotonic()
    said, status = _typed(shell, f"nnictl create --config {file}")
    print(f"# {time.monotonic() - started:.1f} s, {_left(shell)}")
    _check(status == 2 and said.count("\n") == 1 and "allowed: " in said, title)
    _check(not shell.left(), f"{title}: processes")


def _all_well(shell: Shell, file: Path) -> None:
    """A search to its end, its portal on this machine alone, and the portal once more."""
    _title("all well")
    port = free_port(8300)
    said, status = _typed(shell, f"nnictl create --config {file} --port {port}")
    experiment = re.search(r"Experiment ID: *(\w+)", said)
    _check(status == 0 and experiment is not None, "all well: create")
    if experiment is None:
        return
    _on_this_machine_alone(shell, port)
    before = len(shell.said)
    shell.until(rf"experiment {experiment[1]} is done; next: [^\n]*\n", before - 1)
    print(shell.said[before:].replace("\r", "").strip())
    _typed(shell, f"nnictl stop {experiment[1]}")
    _nothing_left(shell, "stop")
    _typed(shell, f"nnictl view {experiment[1]} --port {port}")
    _on_this_machine_alone(shell, port)
    _typed(shell, f"nnictl stop {experiment[1]}")
    _nothing_left(shell, "view and stop")


def _on_this_machine_alone(shell: Shell, port: int) -> None:
    said, _ = _typed(shell, f"ss -ltn 'sport = :{port}'")
    addresses = [line.split()[3] for line in said.splitlines()[1:]]
    _check(addresses == [f"127.0.0.1:{port}"], f"all well: {addresses}")


def _nothing_left(shell: Shell, title: str) -> None:
    until(lambda: not shell.left(), lambda: _left(shell), pause=0.2)  # nnictl does not wait for trials
    print(f"# {_left(shell)}")
    _check(not shell.left(), f"all well: {title}")


def _typed(shell: Shell, line: str) -> tuple[str, int]:
    said, status = shell.type(line)
    print(f"$ {line}\n{said.strip()}\n[{status}]", flush=True)
    return said, status


def _left(shell: Shell) -> str:
    names = [" ".join(process.cmdline())[:100] for process in shell.left()]
    return f"processes left: {', '.join(names) or 'none'}"


def _title(text: str) -> None:
    print(f"\n## {text}", flush=True)


def _check(good: bool, what: str) -> None:
    if not good:
        _wrong.append(what)


if __name__ == "__main__":
    sys.exit(main())
