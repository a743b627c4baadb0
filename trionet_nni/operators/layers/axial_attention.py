"""Axial self-attention: Eq. 1 along the height, then along the width (Ho et al. 2019; Wang et al. 2020).

As in the paper (section 3.1) without PS-attention and without BN inside; of the position terms only
q·r is kept. The table holds the offsets −(L−1) … L−1 and is shared by the heads. It serves lines of any
length: a shorter one uses its centre, a longer one an interpolation along the offsets (see `fitted`).
The formula is `line_attention`; `line_routes` says how it is computed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trionet_nni.operators.layers.line_routes import LineRoute, attend_lines
from trionet_nni.operators.layers.projection import project, projection


class AxialLayer(nn.Module):
    """One of the two layers: projections and attention along one axis.

    Args:
        inputs: channels.
        qk: channels of queries, and of keys.
        v: channels of values.
        heads: number of heads.
        length: reach of the table in positions, the longest line that needs no interpolation.
        axis: 2 for the height, 3 for the width.
    """

    def __init__(self, inputs: int, qk: int, v: int, heads: int, length: int, axis: int) -> None:
        super().__init__()
        self.heads, self.axis = heads, axis
        self.route: LineRoute = "auto"
        self.attention_dropout = 0.0  # see `attention_dropout.set_attention_dropout`
        self.q = nn.Parameter(projection(qk, inputs))
        self.k = nn.Parameter(projection(qk, inputs))
        self.v = nn.Parameter(projection(v, inputs))
        self.table = nn.Parameter(torch.randn(qk // heads, 2 * length - 1) * (qk // heads) ** -0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Attend along the axis."""
        q, k, v = project(x, self.q, self.k, self.v)
        dropout = self.attention_dropout if self.training else 0.0
        return attend_lines(self.route, q, k, v, self.table, self.heads, self.axis, dropout)


class AxialAttention(nn.Module):
    """Multi-head axial self-attention with its projections, as a layer of its own.

    Args:
        inputs: input channels.
        qk: channels of the queries (= keys) of both layers, a multiple of `heads`.
        v: channels of the values of both layers = output channels, a multiple of `heads`.
        heads: parallel heads N.
        length: reach of the position tables, the longest side of the map in training.

    Shape: [B, inputs, H, W] → [B, v, H, W], any H and W.
    """

    def __init__(self, inputs: int, qk: int, v: int, heads: int, length: int) -> None:
        super().__init__()
        self.height = AxialLayer(inputs, qk, v, heads, length, axis=2)
        self.width = AxialLayer(v, qk, v, heads, length, axis=3)

    def forward(self, x: Tensor) -> Tensor:
        """Height first, then width."""
        out: Tensor = self.width(self.height(x))
        return out
