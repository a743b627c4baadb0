"""The operators that there are: one file each, one line here. What is not listed is refused by name."""

from __future__ import annotations

from trionet_nni.errors import InputError, shown
from trionet_nni.operators.operator import Operator

# isort: off
# Every operator imported here is listed, in the order of Table 1.
from trionet_nni.operators.conv import Conv as Conv
from trionet_nni.operators.local import Local as Local
from trionet_nni.operators.axial import Axial as Axial

# isort: on

OPERATORS: dict[str, type[Operator]] = {
    kind.operator: kind
    for kind in list(globals().values())
    if isinstance(kind, type) and issubclass(kind, Operator) and kind is not Operator
}


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
