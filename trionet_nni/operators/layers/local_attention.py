"""Local self-attention: Eq. 1 of the paper, after Ramachandran et al. (NeurIPS 2019).

    y_o = Σ_{p ∈ N(o)} softmax_p(q_oᵀ k_p + q_oᵀ r_{p−o}) v_p

Every position attends to the m × m window around it, in `heads` parallel heads. r_{p−o} is the sum of
a row and a column vector, shared by the heads; smaller windows use the centre of the table.

Shapes: B images, d channels of a head, H × W map, m window.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trionet_nni.operators.layers.border import Border
from trionet_nni.operators.layers.projection import project, projection
from trionet_nni.operators.layers.routes import Route, attend


def local_attention(
    q_BCHW: Tensor,
    k_BCHW: Tensor,
    v_BVHW: Tensor,
    rows_dm: Tensor,
    columns_dm: Tensor,
    heads: int,
    *,
    border: Border = "zero",
    route: Route = "auto",
    dropout: float = 0.0,
) -> Tensor:
    """Eq. 1 over the window that the table's width gives.

    Args:
        q_BCHW: queries, `heads` groups of d channels each.
        k_BCHW: keys, likewise.
        v_BVHW: values, `heads` groups of channels.
        rows_dm: position table of the rows; its width m (odd) is the window.
        columns_dm: position table of the columns.
        border: neighbours outside the map are zero vectors ("zero"), or are left out ("mask").
        route: how it is computed (see `ops.routes`); all routes give the same numbers. Only "window" has
            second derivatives.
        dropout: share of the attention weights that is set to 0.

    Returns:
        [B, V, H, W].

    Raises:
        ValueError: there is no such route, or it cannot drop attention weights.
    """
    r_dmm = rows_dm[:, :, None] + columns_dm[:, None, :]
    return attend(route, q_BCHW, k_BCHW, v_BVHW, r_dmm, heads, border, dropout)


class LocalAttention(nn.Module):
    """Multi-head local self-attention with its projections, as a layer of its own.

    Args:
        inputs: input channels.
        qk: channels of the queries (= keys), a multiple of `heads`.
        v: channels of the values = output channels, a multiple of `heads`.
        heads: parallel heads N.
        window: side m of the window, odd.
        border: see `local_attention`.

    Shape: [B, inputs, H, W] → [B, v, H, W], any H and W.
    """

    def __init__(
        self, inputs: int, qk: int, v: int, heads: int, window: int, border: Border = "zero"
    ) -> None:
        super().__init__()
        self.heads, self.border = heads, border
        self.route: Route = "auto"
        self.attention_dropout = 0.0  # see `attention_dropout.set_attention_dropout`
        self.q = nn.Parameter(projection(qk, inputs))
        self.k = nn.Parameter(projection(qk, inputs))
        self.v = nn.Parameter(projection(v, inputs))
        scale = (qk // heads) ** -0.5
        self.rows = nn.Parameter(torch.randn(qk // heads, window) * scale)
        self.columns = nn.Parameter(torch.randn(qk // heads, window) * scale)

    def forward(self, x: Tensor) -> Tensor:
        """Attend within the window around every position."""
        q, k, v = project(x, self.q, self.k, self.v)
        return local_attention(
            q,
            k,
            v,
            self.rows,
            self.columns,
            self.heads,
            border=self.border,
            route=self.route,
            dropout=self.attention_dropout if self.training else 0.0,
        )
