"""Fuzzing one target for a while, and what came of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.registry import target
from tests.helpers.checkout import ROOT

CORPUS = Path(__file__).parent / "corpus"
_HANG_SECONDS = 60  # on the wall, on a busy machine; `judge` counts the processor's
_MEMORY_MB = 4000
_PROGRESS = re.compile(r"^#(\d+)\s.*cov: (\d+) ft: (\d+)", re.MULTILINE)
_DONE = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_OWN = ("crash-", "timeout-", "oom-")  # libFuzzer's findings; its slow units took long on the wall alone
_TOKEN = re.compile(rb"[A-Za-z_][A-Za-z_0-9.]{2,30}")


@dataclass(frozen=True)
class Campaign:
    """What fuzzing a target came to.

    Attributes:
        runs: inputs tried.
        edges: of the reader's bytecode that were reached: its own modules', PyYAML's and safetensors'.
        first: edges that the seeds alone reach.
        findings: their kinds.
        status: libFuzzer's exit status; not 0 where the process itself died, hung or grew.
    """

    target: str
    seconds: float
    runs: int
    edges: int
    first: int
    findings: tuple[str, ...]
    status: int

    def line(self) -> str:
        """A row of the table in docs/fuzzing.md."""
        rate = self.runs / self.seconds
        found = "; ".join(self.findings) or "none"
        ended = "" if self.status == 0 else f" (ended with status {self.status})"
        edges = f"{self.first:,} → {self.edges:,}"
        cells = (self.target, f"{self.seconds:.0f}", f"{self.runs:,}", f"{rate:.0f}", edges, found + ended)
        return f"| {' | '.join(cells)} |"


def run(name: str, seconds: float, work: Path) -> Campaign:
    """Fuzz a target.

    Args:
        seconds: on the wall.
        work: folder for this run's corpus, findings and log; a later run goes on there.
    """
    corpus, findings = work / "corpus", work / "findings"
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    (work / "tokens").write_bytes(_tokens(target(name).seeds()))
    with tempfile.TemporaryDirectory() as seeds:
        for number, seed in enumerate(target(name).seeds()):
            (Path(seeds) / f"seed{number}").write_bytes(seed)
        options = [
            *(str(findings), str(corpus), seeds, str(CORPUS / name)),
            *(f"-max_total_time={seconds:.0f}", f"-timeout={_HANG_SECONDS}", f"-rss_limit_mb={_MEMORY_MB}"),
            *(f"-dict={work / 'tokens'}", f"-artifact_prefix={findings}/", "-print_final_stats=1"),
            f"-report_slow_units={_HANG_SECONDS}",
        ]
        log, began = work / "log", time.monotonic()
        with log.open("wb") as output:
            command = [sys.executable, "-m", "tests.fuzz.worker", name, *options]
            done = subprocess.run(command, cwd=ROOT, stdout=output, stderr=output, env=_environment())
    text = log.read_text(encoding="utf-8", errors="replace")
    return _read(name, time.monotonic() - began, text, findings, done.returncode)


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def _read(name: str, seconds: float, log: str, findings: Path, status: int) -> Campaign:
    progress = [(int(runs), int(edges)) for runs, edges, _ in _PROGRESS.findall(log)]
    done = _DONE.search(log)
    runs = int(done.group(1)) if done else progress[-1][0] if progress else 0
    first, edges = (progress[0][1], progress[-1][1]) if progress else (0, 0)
    kinds = [path.read_text(encoding="utf-8").split("\n")[0] for path in sorted(findings.glob("*.txt"))]
    own = [path.name for path in findings.iterdir() if path.name.startswith(_OWN)]
    return Campaign(name, seconds, runs, edges, first, (*kinds, *own), status)


def _tokens(seeds: Sequence[bytes]) -> bytes:
    """Words of the seeds, as a dictionary for libFuzzer."""
    words = sorted({word for seed in seeds for word in _TOKEN.findall(seed)})[:500]
    signs = [b"NaN", b"Infinity", b"1e999", b"-1", b"null", b"====", b"<<: ", b"&a ", b"*a", b"!!python/"]
    return b"".join(b'"' + word + b'"\n' for word in (*words, *signs))
