"""Data sets, divided into disjoint splits that are fixed by a seed."""

from trionet_nni.data.images import ImageSet
from trionet_nni.data.splits import Splits, load_splits, opened_once, settled

__all__ = ["ImageSet", "Splits", "load_splits", "opened_once", "settled"]
