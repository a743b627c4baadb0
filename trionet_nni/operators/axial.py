"""Axial self-attention, along the height, then along the width: the third column of Table 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from trionet_nni.operators.attention import Attention
from trionet_nni.operators.cost import Cost, attention_cost
from trionet_nni.operators.options import Heads, Rate
from trionet_nni.operators.parts import Part, Parts, Prefix
from trionet_nni.operators.place import Place

if TYPE_CHECKING:
    from trionet_nni.operators.layers.axial_attention import AxialAttention
    from trionet_nni.operators.layers.border import Border


@dataclass(frozen=True)
class Axial(Attention):
    """Attention along whole columns, then along whole rows of the map."""

    operator: ClassVar[str] = "axial"
    colour: ClassVar[str] = "tab:green"

    qk: Rate
    v: Rate
    heads: Heads

    def cost(self, at: Place) -> Cost:
        """See `Operator.cost`; of two layers, the second of which starts from the first one's values."""
        width = at.output_width
        return self._line_cost(self.inner(width), at) + self._line_cost(self.out(width), at)

    def build(self, at: Place, border: Border = "zero") -> AxialAttention:
        """See `Operator.build`; the tables reach as far as the map of the skeleton's image size."""
        from trionet_nni.operators.layers.axial_attention import AxialAttention

        width = at.output_width
        channels = self.inner(width), self.qk_width(width), self.out(width)
        return AxialAttention(*channels, self.heads, at.size)

    def parts(self, at: Place) -> dict[str, Parts]:
        """See `Operator.parts`."""
        width = at.output_width
        qk, v = self.qk_part(width), self.out_part(width)
        table = Prefix(self.qk_width(width) // self.heads)

        def line(name: str, inputs: Part) -> dict[str, Parts]:
            own: dict[str, Parts] = {
                "q": (qk, inputs),
                "k": (qk, inputs),
                "v": (v, inputs),
                "table": (table,),
            }
            return {f"{name}.{tensor}": parts for tensor, parts in own.items()}

        return line("height", Prefix(self.inner(width))) | line("width", v)

    def _line_cost(self, inputs: int, at: Place) -> Cost:
        width = at.output_width
        return attention_cost(
            inputs,
            self.qk_width(width),
            self.out(width),
            self.heads,
            queries=at.size**2,
            keys=at.size,
            offsets=2 * at.size - 1,
        )
