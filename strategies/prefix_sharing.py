"""Prefix sharing, the ablation "w/o MHS" of Table 3: the first channels, whatever head they end up in."""

from __future__ import annotations

from torch import Tensor

from trionet_nni.supernet.sharing import Sharing, check_split


class PrefixSharing(Sharing):
    """The default rule of one-shot search over convolutions (Fig. 3, "Previous")."""

    def rows(self, full: int, heads: int, sampled: int) -> list[int]:
        """The first ones, 0 … sampled − 1, whatever heads they belong to."""
        check_split(full, heads, sampled)
        return list(range(sampled))

    def view(self, x: Tensor, dim: int, heads: int, sampled: int) -> Tensor:
        """The first `sampled` entries along `dim`, without a copy."""
        check_split(x.shape[dim], heads, sampled)
        return x.narrow(dim, 0, sampled)


SHARING = PrefixSharing()
