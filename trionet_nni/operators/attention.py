"""What local and axial attention have in common: queries, keys and values of several heads."""

from __future__ import annotations

from trionet_nni.errors import InputError, shown
from trionet_nni.operators.operator import Operator
from trionet_nni.operators.options import Heads, Rate
from trionet_nni.operators.parts import HeadChannels


class Attention(Operator):
    """An operator with the fields `qk`, `v` (rates of the inner width) and `heads`."""

    qk: Rate
    v: Rate
    heads: Heads

    def qk_width(self, output_width: int) -> int:
        """Channels of the queries (= keys)."""
        return round(self.inner(output_width) * self.qk)

    def out(self, output_width: int) -> int:
        """Channels of the values."""
        return round(self.inner(output_width) * self.v)

    def qk_part(self, output_width: int) -> HeadChannels:
        """Stored query channels that are its own."""
        return HeadChannels(self.heads, self.qk_width(output_width))

    def out_part(self, output_width: int) -> HeadChannels:
        """Stored value channels that are its own."""
        return HeadChannels(self.heads, self.out(output_width))

    def check(self, where: str, output_width: int) -> None:
        """See `Operator.check`; queries and values must also split over the heads."""
        super().check(where, output_width)
        inner = self.inner(output_width)
        for name, rate, channels in (
            ("qk", self.qk, self.qk_width(output_width)),
            ("v", self.v, self.out(output_width)),
        ):
            if inner * rate != channels or channels % self.heads:
                raise InputError(
                    f"{where}.heads: found {shown(self.heads)} heads for {inner * rate:g} {name} "
                    "channels, allowed: a number of heads that divides the channels"
                )
