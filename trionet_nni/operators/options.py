"""The kinds of options that an operator has: what a value may be, and whose tensors hold others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from trionet_nni.errors import InputError, shown


@dataclass(frozen=True)
class Option:
    """What the values of a field may be.

    Attributes:
        number: float or int, as files and NNI's samples give it.
        fits: whether a number of that type may be used.
        allowed: the same in words, for messages.
        holds: of several candidates, the value for which tensors are stored that hold all of them.
        examples: two values or more, with which the contract tests try an operator.
    """

    number: type[int] | type[float]
    fits: Callable[[Any], bool]
    allowed: str
    holds: Callable[[Sequence[Any]], Any]
    examples: tuple[float, ...]

    def read(self, where: str, value: object) -> int | float:
        """A value from a file or a sample.

        Args:
            where: the field, for the message.

        Raises:
            InputError: it is no such number.
        """
        kinds = (int,) if self.number is int else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not self.fits(value):
            raise InputError(f"{where}: found {shown(value)}, allowed: {self.allowed}")
        return self.number(value)


_WINDOWS = (3, 5, 7)

# A share of channels.
Rate = Annotated[
    float, Option(float, lambda x: 0 < x <= 1, "a rate above 0 and up to 1", max, (1 / 2, 1.0))
]
# Side of a kernel or of a window of attention, in positions: smaller ones are the centre of larger ones.
Window = Annotated[int, Option(int, lambda x: x in _WINDOWS, ", ".join(map(str, _WINDOWS)), max, _WINDOWS)]
# Parallel heads: few of them are wide, and a position table is as long as a head is wide.
Heads = Annotated[int, Option(int, lambda x: x >= 1, "a positive integer", min, (4, 8))]
