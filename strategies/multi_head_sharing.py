"""Multi-Head Sharing (section 3.5, Alg. 1): a channel is shared only within the head it belongs to.

The stored channels are split into n heads of F ÷ n, and every head gives its first s ÷ n:

    rows = {g · F/n + j : g < n, j < s/n}
"""

from __future__ import annotations

from torch import Tensor

from trionet_nni.supernet.sharing import Sharing, check_split


def head_rows(full: int, heads: int, sampled: int) -> list[int]:
    """Row indices that Alg. 1 selects from a weight.

    Args:
        full: stored rows F (`c_out` in Alg. 1).
        heads: heads n of the sampled attention.
        sampled: rows s to select (`s_c_out`).

    Raises:
        ValueError: `full` or `sampled` rows do not split over the heads.
    """
    check_split(full, heads, sampled)
    return [head * (full // heads) + row for head in range(heads) for row in range(sampled // heads)]


class MultiHeadSharing(Sharing):
    """Alg. 1 as a sharing rule."""

    def rows(self, full: int, heads: int, sampled: int) -> list[int]:
        """Rows that a layer of `heads` heads takes of the stored ones; see `head_rows`."""
        return head_rows(full, heads, sampled)

    def view(self, x: Tensor, dim: int, heads: int, sampled: int) -> Tensor:
        """Split into heads and cut each, as Alg. 1 is written; `take` joins them again."""
        check_split(x.shape[dim], heads, sampled)
        if sampled == x.shape[dim]:
            return x
        by_head = x.view(*x.shape[:dim], heads, -1, *x.shape[dim + 1 :])
        return by_head.narrow(dim + 1, 0, sampled // heads)


SHARING = MultiHeadSharing()
