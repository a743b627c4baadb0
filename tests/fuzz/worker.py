"""The process that fuzzes one target: `python -m tests.fuzz.worker TARGET FINDINGS [libFuzzer's options]`.

Findings are written to a folder, each kind of them once, and the fuzzer goes on. What ends this process
(a hang, memory beyond the limit, a crash of the interpreter) libFuzzer writes down itself.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["trionet_nni", "yaml", "safetensors"]):
    from tests.fuzz.registry import target
    from tests.fuzz.target import Target, judge

    TARGET = target(sys.argv[1])
from tests.fuzz.mutate import mutated

_LONGEST_SECONDS = 20.0  # of the processor, for one input: instrumented code is several times slower
_LARGEST = 100_000  # bytes of an input


class Worker:
    """Judges inputs, and keeps the first and shortest of each kind of finding.

    Args:
        findings: folder that gets `<kind>.input` and `<kind>.txt`.
        scratch: folder of the reader's files, in memory where there is such a file system.
    """

    def __init__(self, target: Target, findings: Path, scratch: Path) -> None:
        self._target, self._findings, self._scratch = target, findings, scratch
        self._shortest: dict[str, int] = {}

    def look(self, data: bytes) -> None:
        """One input."""
        found = judge(self._target, data, self._scratch, _LONGEST_SECONDS)
        if found is None or self._shortest.get(found.kind, _LARGEST + 1) <= len(data):
            return
        self._shortest[found.kind] = len(data)
        name = "".join(c if c.isalnum() else "-" for c in found.kind)[:120]
        (self._findings / f"{name}.input").write_bytes(data)
        (self._findings / f"{name}.txt").write_text(f"{found.kind}\n{found.told}\n", encoding="utf-8")

    def mutate(self, data: bytes, largest: int, seed: int) -> bytes:
        """Half of the inputs are changed as documents, half as bytes."""
        changed = mutated(data, seed) if seed % 2 else None
        return atheris.Mutate(data, largest) if changed is None or len(changed) > largest else changed


def main() -> None:
    """Fuzz until libFuzzer's own limit."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as scratch:
        worker = Worker(TARGET, Path(sys.argv[2]), Path(scratch))
        judge(TARGET, TARGET.seeds()[0], Path(scratch))  # what is imported at first use is no input's cost
        options = [sys.argv[0], f"-max_len={_LARGEST}", *sys.argv[3:]]
        atheris.Setup(options, worker.look, custom_mutator=worker.mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
