"""What whole networks add to the sums over their blocks: a rest, and a factor for each operator.

Alone a block meets other caches, and other code in them, than inside a network: convolutions with large
kernels take less there, attention takes more (docs/performance-notes.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A factor that is twice the common one weighs as much as a network predicted wrongly by this share of its
# time: it stays near the common one where few networks, or none, have the operator.
_PULL = 0.1

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """See `trionet_nni.settings.latency_table.LatencyFile`."""

    outside: float
    scale: float
    scales: dict[str, float]
    margin: float


def fit(totals: Sequence[Mapping[str, float]], times: Sequence[float], operators: Sequence[str]) -> Fitted:
    """Fit by relative errors, with the margin of networks that the fit has not seen.

    Args:
        totals: of each network, the sum over the blocks of each operator, milliseconds.
        times: what each takes, milliseconds.
    """
    sums = np.array([[one.get(operator, 0.0) for operator in operators] for one in totals])
    taken = np.array(times)
    outside, scale, scales = _solved(sums, taken)
    # Each network by the fit to the others, for its own is drawn towards it.
    slower = [_slower(sums, taken, number) for number in range(len(taken))]
    margin = max(0.0, *slower)
    return Fitted(outside, scale, dict(zip(operators, scales.tolist(), strict=True)), margin)


def _slower(sums: _Floats, times: _Floats, number: int) -> float:
    """By how much of its prediction a network takes longer, or less where negative."""
    outside, _, scales = _solved(np.delete(sums, number, 0), np.delete(times, number))
    return float(times[number] / (outside + sums[number] @ scales) - 1)


def _solved(sums: _Floats, times: _Floats) -> tuple[float, float, _Floats]:
    """Rest, common factor and factors [operators]: a line first, then factors that are pulled to its slope.

    Args:
        sums: [networks, operators], and `times` [networks], milliseconds.
    """
    line = np.stack([np.ones_like(times), sums.sum(1)], 1) / times[:, None]
    _, scale = np.linalg.lstsq(line, np.ones_like(times), rcond=None)[0]
    count = sums.shape[1]
    rows = np.column_stack([np.ones_like(times), sums]) / times[:, None]
    pull = np.column_stack([np.zeros(count), _PULL / scale * np.eye(count)])
    aims = np.concatenate([np.ones_like(times), np.full(count, _PULL)])
    outside, *found = np.linalg.lstsq(np.vstack([rows, pull]), aims, rcond=None)[0]
    # Noise alone makes a factor that is not positive.
    scales = [value if value > 0 else scale for value in found]
    return float(outside), float(scale), np.array(scales)
