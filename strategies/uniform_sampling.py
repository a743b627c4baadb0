"""Uniform sampling, the ablation "w/o HS" of Table 3: every candidate of a block has the same chance."""

from __future__ import annotations

from trionet_nni.architecture.table import SpaceTable
from trionet_nni.supernet.sampling import Sampling


class UniformSampling(Sampling):
    """Operators come up as often as they have candidates, 6 : 48 : 16 in the paper's space."""

    def weights(self, table: SpaceTable) -> dict[str, float]:
        """Of each operator its number of candidates, so that every candidate is equally likely."""
        return {choices.operator: float(len(choices.blocks)) for choices in table.operators}


SAMPLING = UniformSampling()
