"""The paper's space written with NNI's own mutable layers, as NNI's documentation would have it.

Every projection is a MutableConv2d whose widths are expressions of choices, every BN a MutableBatchNorm2d,
the operator a LayerChoice, the depth a Repeat; NNI's RandomOneShot makes the supernet and slices prefixes.
What NNI cannot slice is written around, with no choice lost: a module's forward pass is not told what was
sampled, so window and heads are a LayerChoice of attention cores; and a position table is the weight of a
MutableLinear, read by feeding it the identity. NNI has no such attention: the axial one is this project's,
the local one this project's or the published formulation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nni
import torch
import torch.nn.functional as F
from nni.mutable import MutableExpression
from nni.nas.nn.pytorch import (
    LayerChoice,
    ModelSpace,
    MutableBatchNorm2d,
    MutableConv2d,
    MutableLinear,
    Repeat,
)
from torch import Tensor, nn

from trionet_nni.architecture.architecture import Architecture, block_label, depth_label
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.network.residual import build_shortcut
from trionet_nni.network.trionet import build_stem
from trionet_nni.operators.conv import Conv
from trionet_nni.operators.layers.line_routes import attend_lines
from trionet_nni.operators.layers.local_attention import local_attention
from trionet_nni.operators.place import Place

Attend = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, int], Tensor]
Width = Any  # int or NNI's expression of one


class LocalCore(nn.Module):
    """Attention with one window and one number of heads."""

    def __init__(self, window: int, heads: int, qk: Width, attend: Attend) -> None:
        super().__init__()
        self.window, self.heads, self.attend = window, heads, attend
        self.rows = MutableLinear(window, qk // heads, bias=False)
        self.columns = MutableLinear(window, qk // heads, bias=False)

    def forward(self, qkv: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Forward pass."""
        eye = torch.eye(self.window, device=qkv[0].device)
        return self.attend(*qkv, self.rows(eye).t(), self.columns(eye).t(), self.heads)


class LineCore(nn.Module):
    """Attention along one axis with one number of heads."""

    def __init__(self, length: int, heads: int, qk: Width, axis: int) -> None:
        super().__init__()
        self.offsets, self.heads, self.axis = 2 * length - 1, heads, axis
        self.table = MutableLinear(self.offsets, qk // heads, bias=False)

    def forward(self, qkv: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Forward pass."""
        table = self.table(torch.eye(self.offsets, device=qkv[0].device)).t()
        return attend_lines("auto", *qkv, table, self.heads, self.axis)


class Attention(nn.Module):
    """Projections and a core."""

    def __init__(self, inputs: Width, qk: Width, v: Width, cores: dict[str, nn.Module], label: str) -> None:
        super().__init__()
        self.q, self.k = (MutableConv2d(inputs, qk, 1, bias=False) for _ in range(2))
        self.v = MutableConv2d(inputs, v, 1, bias=False)
        self.core = LayerChoice(cores, label=label)

    def forward(self, x: Tensor) -> Tensor:
        """Forward pass."""
        return self.core((self.q(x), self.k(x), self.v(x)))


class NativeBlock(nn.Module):
    """One searchable block."""

    def __init__(self, at: Place, label: str, attend: Attend) -> None:
        super().__init__()
        self.attend = attend
        full = at.output_width
        inner = {
            "conv": nni.choice(f"{label}.conv.width", [full // 8, full // 4]),
            "local": nni.choice(f"{label}.local.width", [full // 4, full // 2]),
            "axial": nni.choice(f"{label}.axial.width", [full // 4, full // 2]),
        }
        qk = {n: inner[n] // nni.choice(f"{label}.{n}.qk", [1, 2]) for n in ("local", "axial")}
        v = {n: inner[n] // nni.choice(f"{label}.{n}.v", [1, 2]) for n in ("local", "axial")}
        self.operator = LayerChoice(
            {
                "conv": self._conv(inner["conv"], at, label),
                "local": self._local(inner["local"], qk["local"], v["local"], at, label),
                "axial": self._axial(inner["axial"], qk["axial"], v["axial"], at, label),
            },
            label=f"{label}.operator",
        )
        width = MutableExpression.switch_case(nni.choice(f"{label}.operator", list(inner)), inner)
        out = MutableExpression.switch_case(
            nni.choice(f"{label}.operator", list(inner)), {"conv": inner["conv"], **v}
        )
        self.project_in = MutableConv2d(at.input_width, width, 1, bias=False)
        self.bn_in = MutableBatchNorm2d(width)
        self.project_out = MutableConv2d(out, full, 1, bias=False)
        self.bn_out = nn.BatchNorm2d(full)
        self.shortcut = build_shortcut(at)

    def _conv(self, width: Width, at: Place, label: str) -> nn.Module:
        kernel = nni.choice(f"{label}.conv.kernel", [3, 5, 7])
        conv = MutableConv2d(width, width, kernel, stride=at.stride, padding=kernel // 2, bias=False)
        return nn.Sequential(conv, MutableBatchNorm2d(width), nn.ReLU())

    def _local(self, inputs: Width, qk: Width, v: Width, at: Place, label: str) -> nn.Module:
        cores = {f"{m}x{h}": LocalCore(m, h, qk, self.attend) for m in (3, 5, 7) for h in (4, 8)}
        return self._pooled(at, v, Attention(inputs, qk, v, cores, f"{label}.local.core"))

    def _axial(self, inputs: Width, qk: Width, v: Width, at: Place, label: str) -> nn.Module:
        layers = [
            Attention(
                i, qk, v, {str(h): LineCore(at.size, h, qk, axis) for h in (4, 8)}, f"{label}.axial.core"
            )
            for axis, i in ((2, inputs), (3, v))
        ]
        return self._pooled(at, v, *layers)

    def _pooled(self, at: Place, v: Width, *layers: nn.Module) -> nn.Module:
        pool = [nn.AvgPool2d(2, ceil_mode=True)] if at.stride != 1 else []
        return nn.Sequential(*layers, *pool, MutableBatchNorm2d(v), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Forward pass."""
        out = self.operator(F.relu(self.bn_in(self.project_in(x))))
        return F.relu(self.bn_out(self.project_out(out)) + self.shortcut(x))


class NativeSpace(ModelSpace):
    """The whole network; `attend` is local attention."""

    def __init__(
        self, table: SpaceTable, *, classes: int, image_size: int, attend: Attend = local_attention
    ) -> None:
        super().__init__()
        frame = table.skeleton
        self.stem = build_stem(frame, 3)

        def stage(number: int) -> Repeat:
            def block(index: int) -> NativeBlock:
                return NativeBlock(
                    frame.place(number, index, image_size), block_label(number, index), attend
                )

            return Repeat(block, nni.choice(depth_label(number), list(table.depths[number])))

        self.stages = nn.Sequential(*(stage(number) for number in range(len(table.depths))))
        self.classifier = nn.Linear(frame.widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Forward pass."""
        return self.classifier(self.stages(self.stem(x)).mean((2, 3)))


def native_sample(architecture: Architecture) -> dict[str, Any]:
    """An architecture in the labels of this space."""
    frame = architecture.skeleton
    sample: dict[str, Any] = {depth_label(s): len(stage) for s, stage in enumerate(architecture.stages)}
    for number, stage in enumerate(architecture.stages):
        for index, block in enumerate(stage):
            label = f"{block_label(number, index)}"
            name = f"{label}.{block.operator}"
            sample[f"{label}.operator"] = block.operator
            sample[f"{name}.width"] = round(block.expansion * frame.widths[number])
            if isinstance(block, Conv):
                sample[f"{name}.kernel"] = block.kernel
                continue
            sample[f"{name}.qk"], sample[f"{name}.v"] = round(1 / block.qk), round(1 / block.v)
            kernel = f"{block.kernel}x" if hasattr(block, "kernel") else ""
            sample[f"{name}.core"] = f"{kernel}{block.heads}"
    return sample
