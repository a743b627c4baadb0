"""Hierarchical Sampling that draws deep networks more often: of three draws of a depth the largest counts.

Beyond the paper. With depths of 1 and 2 the second block is in 7 of 8 random sub-networks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from strategies.hierarchical_sampling import HierarchicalSampling

_DRAWS = 3


class DeepSampling(HierarchicalSampling):
    """β as in its parent, θ but for the depths too."""

    def depth(self, depths: Sequence[int], random: np.random.Generator) -> int:
        """The largest of some draws."""
        return int(random.choice(depths, size=_DRAWS).max())


SAMPLING = DeepSampling()
