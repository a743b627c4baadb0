"""Columns of a table for tests: every operator with example values of its options."""

from __future__ import annotations

from trionet_nni.architecture.table import OperatorChoices
from trionet_nni.operators.registry import operator_kind


def column(name: str) -> OperatorChoices:
    """A column of a table with the example values of the operator's kinds of options."""
    kinds = operator_kind(name).option_kinds()
    return OperatorChoices(name, tuple((option, kind.examples) for option, kind in kinds.items()))
