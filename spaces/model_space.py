"""A table as NNI's ModelSpace: Repeat for the depth, LayerChoice for the operator, choice for its options.

Labels are those of `trionet_nni.architecture.architecture`: stage1.depth, stage1.block1.operator …
"""

from __future__ import annotations

from typing import Any

import nni
import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableModule, Repeat
from torch import Tensor, nn
from torch.func import functional_call

from trionet_nni.architecture.architecture import block_label, depth_label
from trionet_nni.architecture.table import OperatorChoices, SpaceTable
from trionet_nni.network.trionet import ResidualBlock, build_stem, initialize
from trionet_nni.operators.place import Place
from trionet_nni.operators.registry import operator_kind
from trionet_nni.supernet.block import stored_layers
from trionet_nni.supernet.slicing import stored_name


class OperatorCandidate(MutableModule):  # type: ignore[misc]
    """One column of Table 1 in one block: every option is an `nni.choice`. Its layer is the block's."""

    def __init__(self, choices: OperatorChoices, label: str) -> None:
        super().__init__()
        for name, candidates in choices.options:
            self.add_mutable(nni.choice(f"{label}.{choices.operator}.{name}", list(candidates)))


class SearchableBlock(MutableModule):  # type: ignore[misc]
    """One shared 1×1 in, parallel operators under a LayerChoice, one shared 1×1 out (Fig. 2, right)."""

    def __init__(self, choices: tuple[OperatorChoices, ...], at: Place, label: str) -> None:
        super().__init__()
        self.choices, self.place, self.label = choices, at, label
        for name, layer in stored_layers(choices, at).items():
            self.add_module(name, layer)
        candidates = {column.operator: OperatorCandidate(column, label) for column in choices}
        self.operator = LayerChoice(candidates, label=f"{label}.operator")

    def forward(self, x: Tensor) -> Tensor:
        """NNI's dry run: the static block of the first operator, at its largest."""
        block = self.choices[0].stored
        with torch.device("meta"):
            static = ResidualBlock(block, self.place).train(self.training)
        stored = self.state_dict(keep_vars=True)
        state = {
            # What is stored for an operator is its own; what operators share may be wider.
            name: stored[stored_name(name, block.operator)][tuple(map(slice, own.shape))]
            for name, own in static.state_dict().items()
        }
        out: Tensor = functional_call(static, state, x)
        return out

    def freeze(self, sample: dict[str, Any]) -> ResidualBlock:
        """The static block of a sample, with new weights."""
        self.validate(sample)
        kind = operator_kind(sample[f"{self.label}.operator"], self.label)
        prefix = f"{self.label}.{kind.operator}"
        return ResidualBlock(
            kind(**{name: sample[f"{prefix}.{name}"] for name in kind.option_kinds()}), self.place
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
            at = self.table.skeleton.place(stage, index, self.image_size)
            return SearchableBlock(self.table.operators, at, block_label(stage, index))

        return Repeat(block, nni.choice(depth_label(stage), list(self.table.depths[stage])))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the current choice."""
        features = self.stages(self.stem(x)).mean((2, 3))
        logits: Tensor = self.classifier(self.dropout(features))
        return logits
