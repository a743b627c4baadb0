"""What all blocks of a static network share: a branch beside a shortcut; and ResNet-18's own block."""

from __future__ import annotations

from abc import abstractmethod

import torch.nn.functional as F
from torch import Tensor, nn

from trionet_nni.operators.place import Place


def pointwise(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """A 1×1 convolution without bias."""
    return nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)


def build_shortcut(at: Place) -> nn.Module:
    """Identity, or a strided 1×1 convolution with BN where the block changes the shape."""
    if at.stride == 1 and at.input_width == at.output_width:
        return nn.Identity()
    return nn.Sequential(
        pointwise(at.input_width, at.output_width, at.stride), nn.BatchNorm2d(at.output_width)
    )


class Residual(nn.Module):
    """A branch, which a kind of block defines, added to a shortcut; ReLU.

    Attributes:
        shortcut: made last by the kind of block: weights drawn from a seed follow the order of the layers.
        survival: stochastic depth (Huang et al. 2016; Table 5): chance of an image in training mode to pass
            through more than the shortcut; what passes is divided by it. See `network.set_survival`.

    Shape: [B, input_width, H, W] → [B, output_width, ⌈H ÷ stride⌉, ⌈W ÷ stride⌉].
    """

    shortcut: nn.Module
    survival: float = 1.0

    @abstractmethod
    def branch(self, x: Tensor) -> Tensor:
        """Everything beside the shortcut, up to the last BN."""

    def forward(self, x: Tensor) -> Tensor:
        """Residual forward pass."""
        out = self.branch(x)
        if self.survival < 1:
            from torchvision.ops import stochastic_depth  # a second, for those who use it

            out = stochastic_depth(out, 1 - self.survival, "row", self.training)
        return F.relu(out.add_(self.shortcut(x)), inplace=True)  # BN does not need what it gave


class BasicBlock(Residual):
    """Two 3×3 convolutions, each with BN, the first with the stride (He et al. 2016, Fig. 5 left).

    γ of the last BN starts at 0, as in every block (appendix A).
    """

    def __init__(self, at: Place) -> None:
        super().__init__()
        self.conv_in = _conv3(at.input_width, at.output_width, at.stride)
        self.bn_in = nn.BatchNorm2d(at.output_width)
        self.conv_out = _conv3(at.output_width, at.output_width)
        self.bn_out = nn.BatchNorm2d(at.output_width)
        nn.init.zeros_(self.bn_out.weight)
        self.shortcut = build_shortcut(at)

    def branch(self, x: Tensor) -> Tensor:
        """See `Residual.branch`."""
        out: Tensor = self.bn_out(self.conv_out(F.relu(self.bn_in(self.conv_in(x)), inplace=True)))
        return out


def _conv3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
