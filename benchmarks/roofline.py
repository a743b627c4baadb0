"""What a machine really reaches, in bytes and in arithmetic; see `trionet_nni.plan.floor`."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.ratio import interleaved
from trionet_nni.plan.floor import Rates


def measured_rates(device: torch.device, dtype: torch.dtype, copied_mb: int, side: int) -> Rates:
    """By a copy (bytes read and written) and by a matrix product.

    Args:
        copied_mb: size of the copy in 10⁶ bytes.
        side: of the square matrices.
    """
    source = torch.ones(copied_mb * 1_000_000, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    timings = interleaved(
        {
            "copy": waiting(lambda: target.copy_(source), device),
            "product": waiting(lambda: a @ b, device),
        }
    )
    return Rates(2 * source.numel() / timings.median("copy"), 2 * side**3 / timings.median("product"))


def waiting(run: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """`run`, until the device has done it."""

    def run_and_wait() -> None:
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return run_and_wait
