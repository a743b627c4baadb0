"""What `trionet space` says about an experiment's search space."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

from trionet_nni.architecture.cost import CostModel
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.data.registry import dataset
from trionet_nni.operators.cost import Cost
from trionet_nni.settings.plugins import load_table
from trionet_nni.settings.project import ProjectConfig

_IMAGENET_CLASSES = 1000  # the paper counts its space for ImageNet


def space_summary(config: ProjectConfig) -> dict[str, Any]:
    """Choices, number of networks, and the range of FLOPs and parameters, in all and per operator.

    Raises:
        InputError: the space cannot be loaded.
    """
    table = load_table(config.space)
    cost = cost_model(config)
    return {
        "choices": {choices.operator: len(choices.blocks) for choices in table.operators},
        "architectures": table.architectures,
        **ranges(table, cost),
        "operators": {name: ranges(table.only(name), cost) for name in table.operator_names},
    }


def cost_model(config: ProjectConfig) -> CostModel:
    """What networks cost on an experiment's images; without a folder of them, on ImageNet's classes."""
    known = dataset(config.data)
    if known.classes is not None:
        return CostModel(known.classes, known.channels, config.data.image_size)
    root = None if config.data.root is None else Path(config.data.root)
    if known.names is None or root is None or not root.is_dir():
        return CostModel(_IMAGENET_CLASSES, known.channels, config.data.image_size)
    return CostModel(len(known.names(root)), known.channels, config.data.image_size)


def ranges(table: SpaceTable, cost: CostModel) -> dict[str, dict[str, int]]:
    """Smallest and largest FLOPs and parameters over all networks; each block's extremes add up.

    Returns:
        {"flops": {"min", "max"}, "params": {"min", "max"}}.
    """
    blocks = {
        at: [cost.block(table.space, *at, block) for block in table.blocks] for at in table.positions()
    }
    outside = cost.outside(table.space)
    result = {}
    for name in ("flops", "params"):
        extremes = [
            _extremes(name, [blocks[stage, i] for stage, d in enumerate(depths) for i in range(d)])
            for depths in product(*table.depths)
        ]
        base = getattr(outside, name)
        result[name] = {
            "min": base + min(low for low, _ in extremes),
            "max": base + max(high for _, high in extremes),
        }
    return result


def _extremes(name: str, blocks: Sequence[Sequence[Cost]]) -> tuple[int, int]:
    values = [[getattr(cost, name) for cost in candidates] for candidates in blocks]
    return sum(map(min, values)), sum(map(max, values))


def print_space(config: ProjectConfig) -> None:
    """The summary as a table for a terminal."""
    from rich.console import Console
    from rich.table import Table

    summary, cost = space_summary(config), cost_model(config)
    table = Table(title=f"{config.space}: {summary['architectures']:.3e} architectures")
    for column in ("operator", "choices", "FLOPs (M)", "params (M)"):
        table.add_column(column, justify="left" if column == "operator" else "right")
    for name, ranges in (*summary["operators"].items(), ("all", summary)):
        choices = summary["choices"].get(name, sum(summary["choices"].values()))
        spans = [
            f"{ranges[kind]['min'] / 1e6:,.2f} - {ranges[kind]['max'] / 1e6:,.2f}"
            for kind in ("flops", "params")
        ]
        table.add_row(name, str(choices), *spans)
    console = Console()
    console.print(table)
    console.print(f"{cost.image_size} × {cost.image_size} pixels, {cost.classes} classes; see --json")
