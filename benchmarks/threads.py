"""OpenMP threads that sleep while they wait for each other, against those that spin, the default."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from benchmarks.ratio import Row, arguments, interleaved, prepare, show

_POLICY = "OMP_WAIT_POLICY"
_BATCH = 32


def serve() -> None:
    """In a side's process: four sub-networks' passes for every line read, as one step of the supernet."""
    import torch
    from torch.nn.functional import cross_entropy

    from spaces.small import TABLE
    from trionet_nni.architecture.architecture import Architecture
    from trionet_nni.network.trionet import TrioNet
    from trionet_nni.training.process import prepare_process

    prepare_process()
    torch.set_num_threads(os.cpu_count() or 1)
    torch.manual_seed(0)
    blocks = [kind for choices in TABLE.operators for kind in (choices.smallest, choices.largest)]
    depths = [max(choices) for choices in TABLE.depths]
    networks = [
        TrioNet(Architecture(TABLE.space, tuple((block,) * depth for depth in depths)), classes=10)
        for block in blocks[:4]
    ]
    images, labels = torch.randn(_BATCH, 3, 32, 32), torch.randint(10, (_BATCH,))
    for _ in sys.stdin:
        for network in networks:
            cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]
        print("done", flush=True)


@contextmanager
def _side(policy: str | None) -> Iterator[subprocess.Popen[str]]:
    environment = {
        name: value for name, value in os.environ.items() if name not in (_POLICY, "OMP_NUM_THREADS")
    }
    if policy is not None:
        environment[_POLICY] = policy
    command = [sys.executable, "-c", "from benchmarks.threads import serve; serve()"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        yield process
        process.kill()


def _step(side: subprocess.Popen[str]) -> None:
    assert side.stdin is not None and side.stdout is not None
    side.stdin.write("\n")
    side.stdin.flush()
    if side.stdout.readline() != "done\n":
        raise RuntimeError("the process of a side ended")


def _spin() -> None:
    while True:
        pass


@contextmanager
def _busy(count: int) -> Iterator[None]:
    others = [multiprocessing.get_context("spawn").Process(target=_spin, daemon=True) for _ in range(count)]
    for other in others:
        other.start()
    try:
        yield
    finally:
        for other in others:
            other.kill()


def rows(rounds: int) -> Iterator[Row]:
    """Alone, and beside other work."""
    with ExitStack() as stack:
        sides = {
            name: partial(_step, stack.enter_context(_side(policy)))
            for name, policy in (("sleeping", "passive"), ("spinning", None))
        }
        for case, others in (("alone", 0), ("beside one busy process", 1)):
            with _busy(others):
                timings = interleaved(sides, rounds)
            note = f"{timings.median('sleeping'):.2f} s, {timings.median('spinning'):.2f} s"
            yield timings.row(
                f"threads that sleep ÷ threads that spin, {case}", "sleeping", "spinning", note=note
            )


def main() -> int:
    """Print the rows."""
    options = arguments(__doc__ or "").parse_args()
    prepare(options)
    return show(rows(options.rounds), options)


if __name__ == "__main__":
    sys.exit(main())
