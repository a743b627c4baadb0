"""A real disk that becomes full at a random moment: `python -m tests.chaos.full_disk --seeds 12`.

Each seed gives a command a disk of its own (tmpfs, so this needs root), fills it after a random while, and
keeps it full until the command has ended: with status 1 and a line that says so, or with 0 where it was
through. Then there is room, the same command is said again, and has to come to its end; what it leaves
behind is looked at as after two commands at once (`tests.chaos.books`).
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import yaml
from rich.console import Console

from tests.chaos.books import Ended, problems
from tests.chaos.pairs import Pair, prepared
from tests.chaos.together import say, say_conditions
from tests.helpers.checkout import ROOT

_TRIONET = (sys.executable, "-m", "trionet_nni.cli")
_MEGABYTES = 400
_FINALISTS = {"count": 2, "steps": 30, "repeats": 1}


def _export(here: Path, dice: random.Random) -> list[list[str]]:
    return [[*_TRIONET, "export", f"{here}/runs/tiny0002", "-o", f"{here}/out"]]


def _segment(here: Path, dice: random.Random) -> list[list[str]]:
    return [[*_TRIONET, "segment", "train", f"{here}/tiny.yml", "-o", f"{here}/run", "-q"]]


def _search(here: Path, dice: random.Random) -> list[list[str]]:
    return [[*_TRIONET, "search", f"{here}/first.yml", "-o", f"{here}/found", "--top", "2"]]


def _reproduce(here: Path, dice: random.Random) -> list[list[str]]:
    return [[sys.executable, "-m", "tests.chaos.full_disk", "--reproduce", str(here)]]


# Commands, and the seconds within which the disk becomes full.
KINDS: dict[str, tuple[float, Pair]] = {
    "export": (15, Pair(_export)),
    "segment": (20, Pair(_segment, exports=(), runs=("run",))),
    "search and finalists": (110, Pair(_search, exports=("found",))),
    "reproduce": (40, Pair(_reproduce, exports=())),
}


def main() -> int:
    options = _options()
    if options.reproduce:
        return reproduce(options.reproduce)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="full-disk-"))
    say_conditions(options.seeds, options.first, folder)
    base, bad = _with_finalists(prepared(folder / "base")), 0
    names = [name for name in KINDS if options.only in name]
    for seed in range(options.first, options.first + options.seeds):
        bad += not run(names[seed % len(names)], base, folder, seed)
    say(
        f"{options.seeds} full disks, {bad} with something wrong" + (f"; look into {folder}" if bad else "")
    )
    return 1 if bad else 0


def run(name: str, base: Path, folder: Path, seed: int) -> bool:
    """One full disk; whether nothing was wrong."""
    seconds, pair = KINDS[name]
    dice = random.Random(seed)
    with _disk(folder / f"disk-{seed}") as disk:
        here = Path(shutil.copytree(base, disk / "base", symlinks=True)).resolve()
        ((command),) = pair.commands(here, dice)
        after, home = dice.uniform(0, seconds), folder / f"home-{seed}"
        home.mkdir()
        first = _run(command, home, disk, after)
        second = _run(command, home)
        found = [*_said(first), *problems(here, [second], pair)]
        say(f"{seed:4}  {name:<22} full after {after:5.1f} s: status {first.status}, then {second.status}")
        for line in (*([first.line] if first.status else ()), *found):
            say(f"      {line}")
        if found:
            (folder / f"kept-{seed}").mkdir()
            shutil.copytree(here, folder / f"kept-{seed}" / "base", symlinks=True)
            (folder / f"kept-{seed}" / "said.txt").write_text(f"{first}\n\n{second}\n")
    return not found


def _said(first: Ended) -> Iterator[str]:
    text = first.err + first.out
    if first.status not in (0, 1):
        yield f"status {first.status} on a full disk"
    if "Traceback" in text:
        yield f"a traceback: {text.strip().splitlines()[-1][:200]}"


@contextmanager
def _disk(place: Path) -> Iterator[Path]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_MEGABYTES}m", "none", place], check=True)
    try:
        yield place
    finally:
        for _ in range(20):
            if subprocess.run(["umount", place], capture_output=True).returncode == 0:
                break
            time.sleep(0.5)


def _run(command: list[str], home: Path, disk: Path | None = None, after: float = 0) -> Ended:
    environment = {
        **os.environ,
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COLUMNS": "200",
    }
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=err)
        if disk is not None:
            _fill(disk, process, after)
        status = process.wait(900)
        texts = [file.seek(0) or file.read() for file in (out, err)]
    return Ended(status, *texts)


def _fill(disk: Path, process: subprocess.Popen[bytes], after: float) -> None:
    """Leave no room from then on, until the process ends; room again afterwards."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(after)
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        while process.poll() is None:
            with suppress(OSError):
                while True:
                    file.write(bytes(4096))
            time.sleep(0.2)
    filler.unlink()


def _with_finalists(base: Path) -> Path:
    file = base / "first.yml"
    settings = yaml.safe_load(file.read_text())
    settings["maxTrialNumber"] = 6
    settings["tuner"]["classArgs"]["search"]["finalists"] = _FINALISTS
    file.write_text(yaml.safe_dump(settings))
    return base


def reproduce(here: Path) -> int:
    """A supernet and a search with it, as `trionet reproduce` runs them."""
    from trionet_nni.commands.reports import jobs_failed
    from trionet_nni.experiment.open import open_experiment
    from trionet_nni.reproduce.pool import JobFailed, run_jobs
    from trionet_nni.reproduce.searching import Search

    console, file = Console(), open_experiment(here / "second.yml")
    try:
        run_jobs([Search(file.config, 3)], here / "reproduced", 1, console)
    except JobFailed as error:
        return jobs_failed(error, console)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.full_disk", description=__doc__)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--only", default="", help="commands with this text in their name")
    parser.add_argument("--folder", type=Path, help="a new one (default: below the temporary folder)")
    parser.add_argument("--reproduce", type=Path, help=argparse.SUPPRESS)  # what it starts itself
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
