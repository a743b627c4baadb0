"""OpenMP threads that sleep while they wait for each other, against those that spin, the default."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from benchmarks.ratio import Row, arguments, interleaved, prepare, show
from benchmarks.side_process import serve, side

_POLICY = "OMP_WAIT_POLICY"
_BATCH = 32
_CODE = "from benchmarks.threads import serve_steps; serve_steps()"


def serve_steps() -> None:
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

    def step() -> None:
        for network in networks:
            cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]

    serve([step])


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
            name: stack.enter_context(side(_CODE, {_POLICY: policy, "OMP_NUM_THREADS": None})).step
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
