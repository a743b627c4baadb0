"""What training a supernet in several processes costs each of them, but for the network between them.

Timed and counted in a group of one process, which reduces all the same: a single process that trains does
not. Bytes and reductions of a step are those of any number of processes.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from unittest.mock import patch

import torch
import torch.distributed as dist

from benchmarks.counted import Counted
from benchmarks.ratio import Row, arguments, interleaved, prepare, show
from benchmarks.step_case import StepCase
from strategies.sandwich import Step
from trionet_nni.supernet.reduce import averaged_in_group
from trionet_nni.supernet.regions import WHOLE, Region

_STEPS = 50  # whose bytes are counted


def rows(case: StepCase, rounds: int) -> Iterator[Row]:
    """Seconds of a step, then bytes of many."""
    with _group():
        yield from _seconds(case, case.step(), rounds)
        yield _sent(case)


def _seconds(case: StepCase, step: Step, rounds: int) -> Iterator[Row]:
    plain = case.whole_step(step)

    def reducing() -> None:
        case.supernet.zero_grad(set_to_none=True)
        case.module.accumulate((case.images, case.labels), step)
        _reduce(case, len(step.subnetworks))
        case.move()

    timings = interleaved({"plain": plain, "reducing": reducing, "again": plain}, rounds, warmup=1)
    yield timings.row("a training step ÷ the same again", "again", "plain", note="the clock's own error")
    case_name = "a training step that reduces its gradients ÷ one that does not"
    note = "copied into flat buckets, reduced in a group of one process, copied back"
    yield timings.row(case_name, "reducing", "plain", 1.02, note=note)


def _sent(case: StepCase) -> Row:
    """Over steps as they are drawn in training."""
    everything = sum(parameter.nbytes for parameter in case.supernet.parameters())
    few = case.images[:2], case.labels[:2]  # what is used does not depend on how many images there are
    counted, tensors = [], []
    for number in range(_STEPS):
        case.supernet.zero_grad(set_to_none=True)
        step = case.module.draw(number)
        case.module.accumulate(few, step)
        with patch.object(dist, "all_reduce", Counted(dist.all_reduce)) as calls:
            _reduce(case, len(step.subnetworks))
        counted.append(calls)
        tensors.append(len(case.module.usage.regions()))
    shares = [sum(calls.bytes) / everything for calls in counted]
    low, high = statistics.quantiles(shares, n=4)[::2]
    reductions = [len(calls.bytes) for calls in counted]
    note = (
        f"of {everything / 1e6:.0f} MB; {min(reductions)} to {max(reductions)} reductions for "
        f"{min(tensors)} to {max(tensors)} tensors"
    )
    return Row(
        "bytes that a step reduces ÷ bytes of all weights",
        statistics.median(shares),
        low,
        high,
        _STEPS,
        note=note,
    )


def _reduce(case: StepCase, losses: int) -> None:
    """As `strategies.usage` does where there are several processes."""
    used = ((parameter.grad, region) for parameter, region in case.module.usage.regions().items())
    averaged_in_group(chain(used, [(torch.zeros(losses), Region((WHOLE,)))]))


@contextmanager
def _group() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=0, world_size=1)
        try:
            yield
        finally:
            dist.destroy_process_group()


def main() -> int:
    """Run the rows."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--size", type=int, default=128, help="side of the images in pixels")
    parser.add_argument("--batch", type=int, default=8, help="images in a batch")
    options = parser.parse_args()
    prepare(options)
    warnings.filterwarnings("ignore", message=".*not a nn.Module.*")  # NNI's, about its own modules
    return show(rows(StepCase(options.size, options.batch), options.rounds), options)


if __name__ == "__main__":
    sys.exit(main())
