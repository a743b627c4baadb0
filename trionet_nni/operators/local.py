"""Local self-attention (Eq. 1): the second column of Table 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from trionet_nni.operators.attention import Attention
from trionet_nni.operators.cost import Cost, attention_cost
from trionet_nni.operators.options import Heads, Rate, Window
from trionet_nni.operators.parts import Centre, Parts, Prefix
from trionet_nni.operators.place import Place

if TYPE_CHECKING:
    from trionet_nni.operators.layers.border import Border
    from trionet_nni.operators.layers.local_attention import LocalAttention


@dataclass(frozen=True)
class Local(Attention):
    """Attention over a `kernel` × `kernel` window."""

    operator: ClassVar[str] = "local"
    colour: ClassVar[str] = "tab:orange"

    kernel: Window
    qk: Rate
    v: Rate
    heads: Heads

    def cost(self, at: Place) -> Cost:
        """See `Operator.cost`; the position table is a row and a column of `kernel` offsets each."""
        width = at.output_width
        return attention_cost(
            self.inner(width),
            self.qk_width(width),
            self.out(width),
            self.heads,
            queries=at.size**2,
            keys=self.kernel**2,
            offsets=2 * self.kernel,
        )

    def build(self, at: Place, border: Border = "zero") -> LocalAttention:
        """See `Operator.build`."""
        from trionet_nni.operators.layers.local_attention import LocalAttention

        width = at.output_width
        channels = self.inner(width), self.qk_width(width), self.out(width)
        return LocalAttention(*channels, self.heads, self.kernel, border)

    def parts(self, at: Place) -> dict[str, Parts]:
        """See `Operator.parts`."""
        width = at.output_width
        inner, qk, v = Prefix(self.inner(width)), self.qk_part(width), self.out_part(width)
        table = (Prefix(self.qk_width(width) // self.heads), Centre(self.kernel))
        return {"q": (qk, inner), "k": (qk, inner), "v": (v, inner), "rows": table, "columns": table}
