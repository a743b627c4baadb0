"""Attention layers of the timm package: its halo attention, and its plain attention along lines.

timm has no axial attention; its nearest is the Transformer's own layer, which here takes the columns of a
map as its sequences, then the rows. It has no position term and shares no code with this project's.
"""

from __future__ import annotations

from torch import Tensor, nn


def halo_attention(width: int, heads: int, window: int) -> nn.Module:
    """timm's HaloAttn (Vaswani et al. 2021): blocks whose queries all see the block and a halo around it.

    The halo is as wide as this project's window reaches; a query near a block's border sees less of it on
    one side and more on the other, so the function is a different one. Maps must be multiples of 7.
    """
    from timm.layers.halo_attn import HaloAttn

    layer: nn.Module = HaloAttn(width, num_heads=heads, block_size=7, halo_size=window // 2, qk_ratio=1.0)
    return layer


class LineAttention(nn.Module):
    """timm's Attention along the columns, then along the rows.

    Shape: [B, width, H, W] → the same.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        from timm.layers.attention import Attention

        self.height, self.width = (Attention(width, num_heads=heads) for _ in range(2))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Attend along both axes."""
        batch, _, height, width = x_BCHW.shape
        columns = x_BCHW.permute(0, 3, 2, 1).flatten(0, 1)  # [B · W, H, C]
        x_BWHC = self.height(columns).unflatten(0, (batch, width))
        rows = x_BWHC.transpose(1, 2).flatten(0, 1)  # [B · H, W, C]
        out: Tensor = self.width(rows).unflatten(0, (batch, height))
        return out.permute(0, 3, 1, 2)
