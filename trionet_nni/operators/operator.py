"""What an operator must say of itself: the contract behind the registry.

An operator is a class in a file of its own; its values are choices of its options. It is known to all of
the project by its line in `operators.registry`, and `tests/operators/test_contract.py` holds every operator
that is listed there to what is written here. docs/extending.md adds one step by step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, get_type_hints

from trionet_nni.errors import InputError, shown
from trionet_nni.operators.cost import Cost
from trionet_nni.operators.options import Option, Rate
from trionet_nni.operators.parts import Part, Parts, Prefix
from trionet_nni.operators.place import Place

if TYPE_CHECKING:
    from torch import nn

    from trionet_nni.operators.layers.border import Border


@dataclass(frozen=True)
class Operator(ABC):
    """The spatial operator of a bottleneck, between its two 1×1 convolutions, with its options chosen.

    The file must be importable without torch: networks are counted and searched without it. `build` imports
    what it needs.

    Attributes:
        operator: its name in architecture files, samples and tables.
        colour: of its lines in figures, as matplotlib names it.
        strides: whether it reduces the map itself where its block strides; if not, a 2×2 average pool
            follows it.
        expansion: its input channels as a share of the block's output channels.
    """

    operator: ClassVar[str]
    colour: ClassVar[str]
    strides: ClassVar[bool] = False

    expansion: Rate

    def inner(self, output_width: int) -> int:
        """Channels that enter it in a block of so many output channels."""
        return round(self.expansion * output_width)

    def out(self, output_width: int) -> int:
        """Channels that leave it."""
        return self.inner(output_width)

    def out_part(self, output_width: int) -> Part:
        """Which of the stored channels behind it are its own."""
        return Prefix(self.out(output_width))

    @abstractmethod
    def cost(self, at: Place) -> Cost:
        """Parameters and multiply-accumulates, without the batch normalization behind it."""

    @abstractmethod
    def build(self, at: Place, border: Border = "zero") -> nn.Module:
        """The layer, with start values.

        Args:
            border: what lies outside the map, for operators that look there by choice.

        Shape: [B, inner, H, W] → [B, out, H, W]; with `strides`, ⌈H ÷ stride⌉ × ⌈W ÷ stride⌉. Any H and W.
        """

    @abstractmethod
    def parts(self, at: Place) -> dict[str, Parts]:
        """Of every tensor of the layer, by its name there: the part of the stored tensor that it is.

        The stored tensors are those of the operator whose options are `Option.holds` of all candidates.
        What is not named is shared whole.
        """

    def check(self, where: str, output_width: int) -> None:
        """Whether it can stand in a block of so many output channels.

        Args:
            where: the block, for the message.

        Raises:
            InputError: channels do not come out whole.
        """
        exact = self.expansion * output_width
        if exact < 1 or exact != int(exact):
            raise InputError(
                f"{where}.expansion: found {shown(self.expansion)} of {output_width} channels, "
                "allowed: a whole number of channels"
            )

    @classmethod
    def option_kinds(cls) -> dict[str, Option]:
        """Its options in the order of their fields."""
        return _option_kinds(cls)

    def options(self) -> dict[str, Any]:
        """The chosen value of every option."""
        return {name: getattr(self, name) for name in self.option_kinds()}


@cache
def _option_kinds(kind: type[Operator]) -> dict[str, Option]:
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name].__metadata__[0] for field in fields(kind)}
