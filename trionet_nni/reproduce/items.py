"""The tables and figures by name."""

from __future__ import annotations

from trionet_nni.errors import InputError, nearest
from trionet_nni.reproduce.ablation import Table3
from trionet_nni.reproduce.amounts import Figure7a, Figure7b
from trionet_nni.reproduce.budgets import Figure4, Table2
from trionet_nni.reproduce.curves import Figure5a, Figure5b, Figure6a
from trionet_nni.reproduce.datasets import Table4, Table5
from trionet_nni.reproduce.histogram import Figure6b
from trionet_nni.reproduce.item import Item
from trionet_nni.reproduce.mixed import MixedHeads, MixedSampling, MixedSandwich
from trionet_nni.reproduce.scale import Scale

_TABLES = (Table2, Table3, Table4, Table5)
_FIGURES = (Figure4, Figure5a, Figure5b, Figure6a, Figure6b, Figure7a, Figure7b)
_MIXED = (MixedSampling, MixedHeads, MixedSandwich)
ITEMS: dict[str, type[Item]] = {item.name: item for item in (*_TABLES, *_FIGURES, *_MIXED)}


def item_of(name: str, scale: Scale, seeds: tuple[int, ...]) -> Item:
    """A table or figure at a scale.

    Raises:
        InputError: there is none of this name.
    """
    if name not in ITEMS:
        raise InputError(f"reproduce: found {name!r}, allowed: {', '.join(ITEMS)}{nearest(name, ITEMS)}")
    return ITEMS[name](scale, seeds)
