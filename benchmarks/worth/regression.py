"""What a few trained networks teach of others: a ridge regression on `traits`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.worth.case import Case
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.traits import traits
from trionet_nni.finalists.pilots import RIDGE


def predicted(
    case: Case,
    trained: Sequence[Architecture],
    losses: NDArray[np.float64],
    networks: Sequence[Architecture],
) -> NDArray[np.float64]:
    """The losses of networks, by those of trained ones."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model: Any = make_pipeline(StandardScaler(), Ridge(alpha=RIDGE))
    model.fit([_known(one, case) for one in trained], losses)
    return np.asarray(model.predict([_known(one, case) for one in networks]), np.float64)


def _known(network: Architecture, case: Case) -> list[float]:
    return traits(network, case.table, case.cost(network).flops)


def predicted_by_the_others(
    case: Case, networks: Sequence[Architecture], losses: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The loss of each network, by those of all others."""
    found = []
    for number, network in enumerate(networks):
        others = [one for one in networks if one is not network]
        found.append(predicted(case, others, np.delete(losses, number), [network])[0])
    return np.array(found)
