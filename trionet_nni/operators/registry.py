"""The operators that there are: one file each, one line here. What is not listed is refused by name."""

from __future__ import annotations

from trionet_nni.errors import InputError, shown
from trionet_nni.operators.axial import Axial
from trionet_nni.operators.conv import Conv
from trionet_nni.operators.local import Local
from trionet_nni.operators.operator import Operator

_LISTED: tuple[type[Operator], ...] = (
    Conv,
    Local,
    Axial,
)
OPERATORS: dict[str, type[Operator]] = {kind.operator: kind for kind in _LISTED}


def operator_kind(name: object, where: str = "operator") -> type[Operator]:
    """Look an operator up by its name.

    Args:
        where: what the message begins with.

    Raises:
        InputError: none has this name.
    """
    if not isinstance(name, str) or name not in OPERATORS:
        raise InputError(f"{where}: found {shown(name)}, allowed: {', '.join(OPERATORS)}")
    return OPERATORS[name]
