"""A candidate's block inside the supernet: a static block whose tensors are parts of the stored ones.

Sub-network and frozen network are one code: what differs is only where the tensors lie.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from trionet_nni.network.trionet import ResidualBlock
from trionet_nni.operators.layers.attention_dropout import DropsAttention
from trionet_nni.operators.operator import Operator
from trionet_nni.operators.place import Place
from trionet_nni.supernet.shared import Leaf, Shared
from trionet_nni.supernet.sharing import Sharing
from trionet_nni.supernet.slicing import Cut, block_cuts, cut_out, cut_view, stored_name


class Frame:
    """One candidate of one supernet block.

    Args:
        block: the candidate.
        at: where the block stands.
        sharing: which channels attention heads share.
        stored: the supernet block.
        shared: name of a stored parameter → its gradient's keeper.
    """

    def __init__(
        self,
        block: Operator,
        at: Place,
        sharing: Sharing,
        stored: nn.Module,
        shared: Callable[[str], Shared],
    ) -> None:
        with torch.device("meta"):
            self.static = ResidualBlock(block, at)
        self.norms = [m for m in self.static.modules() if isinstance(m, nn.BatchNorm2d)]
        cuts = block_cuts(block, at, sharing)
        self._attention = [m for m in self.static.modules() if isinstance(m, DropsAttention)]
        self._leaves: list[tuple[dict[str, Tensor | None], str, Leaf]] = []
        self._buffers: list[tuple[dict[str, Tensor | None], str, str, Cut]] = []
        self.cuts = [(n, stored_name(n, block.operator), cuts.get(n, ())) for n in self.static.state_dict()]
        for name, source, cut in self.cuts:
            path, _, key = name.rpartition(".")
            module = self.static.get_submodule(path)
            if key in module._parameters:
                tensors: dict[str, Tensor | None] = module._parameters  # type: ignore[assignment]
                self._leaves.append((tensors, key, Leaf(shared(source), cut)))
            else:
                self._buffers.append((module._buffers, key, source, cut))
        self._stored = stored

    @property
    def fits(self) -> bool:
        """Whether all stored parameters are where they were when the frame was made."""
        return all(leaf.fits for _, _, leaf in self._leaves)

    def __call__(self, x: Tensor, keep_statistics: bool, attention_dropout: float = 0.0) -> Tensor:
        """The candidate's forward pass, in the modes of the stored BN layers.

        Args:
            keep_statistics: move the running statistics, of the candidate's channels only.
            attention_dropout: rate in training mode.
        """
        reference = self._stored.bn_in
        assert isinstance(reference, nn.BatchNorm2d)
        for norm in self.norms:
            norm.training, norm.momentum = reference.training, reference.momentum
            norm.track_running_stats = keep_statistics or not reference.training
        for layer in self._attention:
            layer.training, layer.attention_dropout = reference.training, attention_dropout
        for tensors, key, leaf in self._leaves:
            tensors[key] = leaf.tensor()
        running = keep_statistics or not reference.training
        if running:
            self._read_statistics()
        out: Tensor = self.static(x)
        if keep_statistics:
            self._write_statistics()
        return out

    def _read_statistics(self) -> None:
        for tensors, key, source, cut in self._buffers:
            tensors[key] = cut_out(self._stored.get_buffer(source), cut)

    def _write_statistics(self) -> None:
        for tensors, key, source, cut in self._buffers:
            part = cut_view(self._stored.get_buffer(source), cut)
            values = tensors[key]
            assert values is not None
            if part.data_ptr() != values.data_ptr():
                part.copy_(values.view_as(part))
