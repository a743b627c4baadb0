"""A table as NNI's ModelSpace: Repeat for the depth, LayerChoice for the operator, choice for its options.

Labels are those of `trionet_nni.architecture.architecture`: stage1.depth, stage1.block1.operator …
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import nni
import torch.nn.functional as F
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableModule, Repeat
from torch import Tensor, nn

from trionet_nni.architecture.architecture import BOTTLENECKS, Conv, block_label, block_widths, depth_label
from trionet_nni.architecture.cost import Place, place
from trionet_nni.architecture.table import OperatorChoices, SpaceTable
from trionet_nni.network.residual import build_shortcut, pointwise
from trionet_nni.network.trionet import ResidualBlock, build_operator, build_stem, initialize


class OperatorCandidate(MutableModule):  # type: ignore[misc]
    """One column of Table 1 in one block: every option is an `nni.choice`.

    Its own forward pass, NNI's dry run, is that of its largest configuration.
    """

    def __init__(self, choices: OperatorChoices, at: Place, label: str) -> None:
        super().__init__()
        for name, candidates in choices.options:
            self.add_mutable(nni.choice(f"{label}.{choices.operator}.{name}", list(candidates)))
        largest = choices.largest
        if not isinstance(largest, Conv):
            largest = replace(largest, heads=choices.smallest.heads)  # type: ignore[union-attr]
        self.inner = block_widths(largest, at.output_width).inner
        self.operator = build_operator(largest, at)
        self.pools = at.stride != 1 and not isinstance(largest, Conv)
        self.bn = nn.BatchNorm2d(self.inner)

    def forward(self, x: Tensor) -> Tensor:
        """The operator with its BN and ReLU."""
        out = self.operator(x[:, : self.inner])
        return F.relu(self.bn(F.avg_pool2d(out, 2, ceil_mode=True) if self.pools else out))


class SearchableBlock(MutableModule):  # type: ignore[misc]
    """One shared 1×1 in, parallel operators under a LayerChoice, one shared 1×1 out (Fig. 2, right)."""

    def __init__(self, choices: tuple[OperatorChoices, ...], at: Place, label: str) -> None:
        super().__init__()
        self.choices, self.place, self.label = choices, at, label
        candidates = {c.operator: OperatorCandidate(c, at, label) for c in choices}
        inner = max(candidate.inner for candidate in candidates.values())
        self.project_in = pointwise(at.input_width, inner)
        self.bn_in = nn.BatchNorm2d(inner)
        self.operator = LayerChoice(candidates, label=f"{label}.operator")
        self.project_out = pointwise(inner, at.output_width)
        self.bn_out = nn.BatchNorm2d(at.output_width)
        self.shortcut = build_shortcut(at)

    def forward(self, x: Tensor) -> Tensor:
        """NNI's dry run: the first operator at its largest."""
        out = self.operator(F.relu(self.bn_in(self.project_in(x))))
        out = F.conv2d(out, self.project_out.weight[:, : out.shape[1]])
        return F.relu(self.bn_out(out) + self.shortcut(x))

    def freeze(self, sample: dict[str, Any]) -> ResidualBlock:
        """The static block of a sample, with new weights."""
        self.validate(sample)
        kind = BOTTLENECKS[sample[f"{self.label}.operator"]]
        prefix = f"{self.label}.{kind.operator}"
        return ResidualBlock(
            kind(**{option.name: sample[f"{prefix}.{option.name}"] for option in fields(kind)}), self.place
        )


class TrioNetSpace(ModelSpace):  # type: ignore[misc]
    """The whole network with everything that is searched.

    Args:
        table: operators, options and depths.
        classes: outputs of the classifier.
        channels: channels of the input image.
        image_size: side of the square input in pixels.
    """

    def __init__(self, table: SpaceTable, *, classes: int, channels: int, image_size: int) -> None:
        super().__init__()
        frame = table.skeleton
        self.table, self.image_size = table, image_size
        self.stem = build_stem(frame, channels)
        self.stages = nn.Sequential(*(self._stage(stage) for stage in range(len(table.depths))))
        self.dropout = nn.Dropout(0.0)
        self.classifier = nn.Linear(frame.widths[-1], classes)
        initialize(self)

    def _stage(self, stage: int) -> Repeat:
        """Blocks of which a sub-network keeps the first d."""

        def block(index: int) -> SearchableBlock:
            at = place(self.table.skeleton, stage, index, self.image_size)
            return SearchableBlock(self.table.operators, at, block_label(stage, index))

        return Repeat(block, nni.choice(depth_label(stage), list(self.table.depths[stage])))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the current choice."""
        features = self.stages(self.stem(x)).mean((2, 3))
        logits: Tensor = self.classifier(self.dropout(features))
        return logits
