"""Hierarchical Sampling (section 3.4, Eq. 4): the operator first, uniformly; then its options."""

from __future__ import annotations

from trionet_nni.architecture.table import SpaceTable
from trionet_nni.supernet.sampling import Sampling


class HierarchicalSampling(Sampling):
    """β ~ U(B): every operator has the same chance, however many candidates it has."""

    def weights(self, table: SpaceTable) -> dict[str, float]:
        """1 : 1 : 1."""
        return dict.fromkeys(table.operator_names, 1.0)


SAMPLING = HierarchicalSampling()
