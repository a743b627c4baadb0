"""This checkout against an earlier commit, both in one run: steps of the supernet and of retraining.

python -m benchmarks.against COMMIT               steps on two threads
python -m benchmarks.against COMMIT --searches    also candidates a minute, in real nnictl experiments

The commit is checked out beside this one under build/against/ (git worktree) and its compiled kernels are
built. Its sides run with them and without, as who had not asked for them had it. Ratios are of images a
second or candidates a minute: above 1 this checkout is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.ratio import Row, Timings, arguments, interleaved, prepare, show
from benchmarks.side_process import side

ROOT = Path(__file__).parents[1]
WORKTREES = ROOT / "build" / "against"
BATCH, SEARCHES, CANDIDATES = 64, 2, 20
CASES = (("spaces.small", 28, 1), ("spaces.small", 32, 3), ("spaces.tiny", 32, 3))
NOW, THEN, PLAIN = "now", "then, compiled", "then, plain torch"
# Issue 14's, for spaces.small: a training step against plain torch and against the kernel of the time.
SUPERNET_TARGETS = {PLAIN: 2.0, THEN: 1.4}
RETRAINING_TARGETS = {PLAIN: 2.0, THEN: None}
CANDIDATES_TARGET = 1.5


def main() -> int:
    """Print the rows."""
    parser = arguments(__doc__ or "")
    parser.add_argument("commit", help="the earlier commit, as git names it")
    parser.add_argument("--searches", action="store_true", help="also two small searches of each checkout")
    parser.set_defaults(threads=min(2, os.cpu_count() or 1), rounds=16)
    options = parser.parse_args()
    prepare(options)
    earlier = worktree(options.commit)
    return show(_rows(options, earlier), options, {"commit": options.commit})


def worktree(commit: str) -> Path:
    """The commit's files beside this checkout, its kernels compiled; made once.

    Raises:
        SystemExit: there is no such commit.
    """
    name = ["git", "-C", str(ROOT), "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"]
    found = subprocess.run(name, capture_output=True, text=True, check=False)
    if found.returncode:
        print(f"against: found no commit {commit!r}, allowed: one of this repository", file=sys.stderr)
        raise SystemExit(2)
    folder = WORKTREES / found.stdout.strip()[:12]
    if not folder.exists():
        add = ["git", "-C", str(ROOT), "worktree", "add", "--quiet", "--detach", str(folder), commit]
        subprocess.run(add, check=True)
    for source in sorted(folder.glob("trionet_nni/**/build_native.py")):
        module = ".".join(source.relative_to(folder).with_suffix("").parts)
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        command = [sys.executable, "-m", module]
        subprocess.run(command, env=environment, cwd=folder, stdout=sys.stderr, check=False)
    return folder


def _rows(options: argparse.Namespace, earlier: Path) -> Iterator[Row]:
    for space, size, channels in CASES:
        place = f"{space}, {size} pixels"
        targets = space == "spaces.small"
        times = _times("supernet_steps", (space, size, channels), options, earlier)
        for base, target in SUPERNET_TARGETS.items():
            yield _faster(f"supernet, {place}", times, base, target if targets else None)
    for space, size, channels in CASES[:2]:
        times = _times("retraining_steps", (space, size, channels), options, earlier)
        for base, target in RETRAINING_TARGETS.items():
            yield _faster(f"retraining, {space}, {size} pixels", times, base, target)
    if options.searches:
        yield _searches(earlier)


def _faster(what: str, times: Timings, base: str, target: float | None) -> Row:
    case = f"images/s, {what}: now ÷ {base}"
    note = f"{1e3 * times.median(NOW):.0f} ms, {1e3 * times.median(base):.0f} ms a step of {BATCH} images"
    return times.row(case, base, NOW, target, bound="at least", note=note)


def _times(steps: str, case: tuple[str, int, int], options: argparse.Namespace, earlier: Path) -> Timings:
    """Both checkouts' steps in turn, each in a process with the settings of a trial."""
    code = f"""
import runpy, torch
from trionet_nni.training.process import prepare_process
prepare_process()
torch.set_num_threads({options.threads})
steps = runpy.run_path({str(ROOT / "benchmarks" / "against_steps.py")!r})[{steps!r}](*{case!r}, {BATCH})
runpy.run_path({str(ROOT / "benchmarks" / "side_process.py")!r})["serve"](steps)
"""
    checkouts = {NOW: (ROOT, None), THEN: (earlier, None), PLAIN: (earlier, "0")}
    with ExitStack() as stack:
        sides = {}
        for name, (folder, native) in checkouts.items():
            environment = {"PYTHONPATH": str(folder), "TRIONET_NATIVE": native, "OMP_NUM_THREADS": None}
            environment["OMP_WAIT_POLICY"] = "passive"  # as `trionet` sets it
            sides[name] = stack.enter_context(side(code, environment, folder)).step
        return interleaved(sides, options.rounds, warmup=2, shortest=0)


def _searches(earlier: Path) -> Row:
    """Real experiments in miniature, each by its checkout's own code, in turn."""
    seconds: dict[str, list[float]] = {NOW: [], THEN: []}
    with tempfile.TemporaryDirectory() as home:
        for _ in range(SEARCHES):
            for name, folder in ((NOW, ROOT), (THEN, earlier)):
                seconds[name].append(_search(folder, Path(home) / name.replace(", ", "-")))
    times = Timings({name: tuple(found) for name, found in seconds.items()})
    case = f"candidates a minute, {CANDIDATES} of the quickstart as it was shipped: now ÷ then, compiled"
    note = " and ".join(f"{60 / times.median(name):.0f}" for name in seconds) + " a minute"
    return times.row(case, THEN, NOW, CANDIDATES_TARGET, bound="at least", note=note)


def _search(folder: Path, home: Path) -> float:
    """Seconds a candidate, from the end of the supernet's trial."""
    code = f"""
import json
from pathlib import Path
import yaml
from benchmarks.small_search import QUICKSTART, own_home, run_search
home = Path({str(home)!r})
home.mkdir(exist_ok=True)
concurrency = yaml.safe_load(QUICKSTART.read_text())["trialConcurrency"]
with own_home(home):
    timed = run_search(home, candidates={CANDIDATES}, concurrency=concurrency, warm=True)
print(json.dumps(timed.seconds))
"""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(
        command, env=environment, cwd=folder, stdout=subprocess.PIPE, text=True, check=True
    )
    ends: list[float] = json.loads(done.stdout.splitlines()[-1])
    return ends[-1] / len(ends)


if __name__ == "__main__":
    sys.exit(main())
