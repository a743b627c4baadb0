"""What the `search` of an experiment allows a network to cost, as block-by-block numbers."""

from __future__ import annotations

from pathlib import Path

from trionet_nni.architecture.budget import Budget, budgets_of
from trionet_nni.architecture.ceiling import Ceiling, parameter_ceiling
from trionet_nni.architecture.cost import CostModel
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.settings.latency_table import LatencyTable
from trionet_nni.settings.project import SearchConfig


def search_budgets(search: SearchConfig, table: SpaceTable, cost: CostModel) -> tuple[Budget, ...]:
    """The budgets of a search, with whatever else it limits.

    Args:
        cost: of networks at the experiment's image size and number of classes.

    Raises:
        InputError: no network can meet one.
    """
    return budgets_of(
        table,
        cost,
        search.limits,
        min_flops=search.min_flops,
        band=search.band,
        field=search.limits_field,
        ceilings=ceilings_of(search, table, cost),
    )


def ceilings_of(search: SearchConfig, table: SpaceTable, cost: CostModel) -> tuple[Ceiling, ...]:
    """The limits of a search beside FLOPs; none where it has none.

    Args:
        cost: of networks at the experiment's image size and number of classes.

    Raises:
        InputError: the table of latencies cannot be read, or is of other networks.
    """
    limits = search.budget
    if limits is None:
        return ()
    found = []
    if limits.params is not None:
        found.append(parameter_ceiling(table, cost, limits.params, "search.budget.params"))
    if limits.latency_ms is not None and limits.table is not None:
        size = table.skeleton.image_size if cost.image_size is None else cost.image_size
        latencies = LatencyTable.load(Path(limits.table))
        found.append(latencies.ceiling(table, size, limits.latency_ms, "search.budget.latency_ms"))
    return tuple(found)
