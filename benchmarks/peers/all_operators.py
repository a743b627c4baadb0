"""Supernets whose blocks run all that they can choose from and add it up, as differentiable search does."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from trionet_nni.architecture.skeleton import Skeleton
from trionet_nni.network.residual import build_shortcut, pointwise
from trionet_nni.network.trionet import ResidualBlock, build_stem
from trionet_nni.operators.operator import Operator
from trionet_nni.operators.place import Place


class AllOperatorsBlock(nn.Module):
    """One 1×1 in at the largest width, every candidate's operator, one 1×1 out for their sum."""

    def __init__(self, candidates: Sequence[Operator], at: Place) -> None:
        super().__init__()
        blocks = [ResidualBlock(block, at) for block in candidates]
        self.inner = [block.inner(at.output_width) for block in candidates]
        self.project_in = pointwise(at.input_width, max(self.inner))
        self.bn_in = nn.BatchNorm2d(max(self.inner))
        self.operators = nn.ModuleList(block.operator for block in blocks)
        self.norms = nn.ModuleList(block.bn_operator for block in blocks)
        self.pools = [block.pools for block in blocks]
        self.out = max(block.out(at.output_width) for block in candidates)
        self.project_out = pointwise(self.out, at.output_width)
        self.bn_out = nn.BatchNorm2d(at.output_width)
        self.shortcut = build_shortcut(at)

    def forward(self, x: Tensor) -> Tensor:
        """Forward pass."""
        hidden = F.relu(self.bn_in(self.project_in(x)))
        total = None
        for inner, operator, norm, pools in zip(
            self.inner, self.operators, self.norms, self.pools, strict=True
        ):
            out = operator(hidden[:, :inner])
            out = F.avg_pool2d(out, 2, ceil_mode=True) if pools else out
            out = F.relu(norm(out))
            out = F.pad(out, (0, 0, 0, 0, 0, self.out - out.shape[1]))
            total = out if total is None else total + out
        return F.relu(self.bn_out(self.project_out(total)) + self.shortcut(x))


class AllCandidatesBlock(nn.Module):
    """Candidates side by side, each with its own 1×1 in and out; one shortcut."""

    def __init__(self, candidates: Sequence[Operator], at: Place) -> None:
        super().__init__()
        self.candidates = nn.ModuleList(ResidualBlock(block, at) for block in candidates)
        self.shortcut = build_shortcut(at)
        for candidate in self.candidates:
            candidate.shortcut = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Forward pass."""
        return F.relu(sum(self._body(candidate, x) for candidate in self.candidates) + self.shortcut(x))

    @staticmethod
    def _body(block: ResidualBlock, x: Tensor) -> Tensor:
        """The block without its shortcut."""
        out = block.operator(F.relu(block.bn_in(block.project_in(x))))
        out = F.avg_pool2d(out, 2, ceil_mode=True) if block.pools else out
        return block.bn_out(block.project_out(F.relu(block.bn_operator(out))))


class AllOperators(nn.Module):
    """The whole network; `stages` holds the candidates of every block."""

    def __init__(
        self,
        frame: Skeleton,
        stages: Sequence[Sequence[Sequence[Operator]]],
        classes: int,
        size: int,
        block: type[AllOperatorsBlock | AllCandidatesBlock] = AllOperatorsBlock,
    ) -> None:
        super().__init__()
        self.stem = build_stem(frame, 3)
        self.blocks = nn.Sequential(
            *(
                block(candidates, frame.place(stage, index, size))
                for stage, blocks in enumerate(stages)
                for index, candidates in enumerate(blocks)
            )
        )
        self.classifier = nn.Linear(frame.widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Forward pass."""
        return self.classifier(self.blocks(self.stem(x)).mean((2, 3)))
