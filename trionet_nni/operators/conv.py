"""Convolution (He et al. 2016): the first column of Table 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from trionet_nni.operators.cost import Cost, conv_cost
from trionet_nni.operators.operator import Operator
from trionet_nni.operators.options import Window
from trionet_nni.operators.parts import Centre, Parts, Prefix
from trionet_nni.operators.place import Place

if TYPE_CHECKING:
    from trionet_nni.operators.layers.border import Border
    from trionet_nni.operators.layers.conv import SpatialConv


@dataclass(frozen=True)
class Conv(Operator):
    """A `kernel` × `kernel` convolution that keeps its width."""

    operator: ClassVar[str] = "conv"
    colour: ClassVar[str] = "tab:blue"
    strides: ClassVar[bool] = True

    kernel: Window

    def cost(self, at: Place) -> Cost:
        """See `Operator.cost`."""
        inner = self.inner(at.output_width)
        return conv_cost(inner, inner, self.kernel, at.output_size)

    def build(self, at: Place, border: Border = "zero") -> SpatialConv:
        """See `Operator.build`; outside the map lie zeros."""
        from trionet_nni.operators.layers.conv import SpatialConv

        return SpatialConv(self.inner(at.output_width), self.kernel, at.stride)

    def parts(self, at: Place) -> dict[str, Parts]:
        """See `Operator.parts`."""
        inner, kernel = Prefix(self.inner(at.output_width)), Centre(self.kernel)
        return {"weight": (inner, inner, kernel, kernel)}
