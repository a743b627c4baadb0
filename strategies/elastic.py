"""The supernet's block: three operators side by side between shared projections (Fig. 2, right).

NNI's mutation hook turns every searchable block of a space into this one. A forward pass runs the static
block of the current choice on parts of the stored tensors; see `trionet_nni.supernet.frame` for how, and
`trionet_nni.supernet.slicing` for the cuts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from torch import Tensor, nn

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.table import OperatorChoices
from trionet_nni.network.trionet import ResidualBlock
from trionet_nni.operators.operator import Operator
from trionet_nni.operators.place import Place
from trionet_nni.operators.registry import operator_kind
from trionet_nni.supernet.block import stored_layers
from trionet_nni.supernet.frame import Frame
from trionet_nni.supernet.regions import Region
from trionet_nni.supernet.shared import Shared
from trionet_nni.supernet.sharing import Sharing
from trionet_nni.supernet.slicing import Cut, cut_out


@runtime_checkable
class Searchable(Protocol):
    """What a space's block must tell to become elastic."""

    choices: tuple[OperatorChoices, ...]
    place: Place
    label: str

    def simplify(self) -> dict[str, Any]:
        """NNI's mutables by label."""
        ...


class ElasticBlock(BaseSuperNetModule):  # type: ignore[misc]
    """All candidates of one block, sharing weights; `resample` selects one of them.

    Args:
        choices: the operators with their options.
        at: where the block stands.
        sharing: which channels attention heads share.
        label: beginning of the block's NNI labels.
        mutables: the NNI mutables of the block it replaces.

    Shape: as the static block's.
    """

    def __init__(
        self,
        choices: tuple[OperatorChoices, ...],
        at: Place,
        sharing: Sharing,
        label: str,
        mutables: list[Any],
    ) -> None:
        super().__init__()
        self.choices, self.place, self.sharing, self.label = choices, at, sharing, label
        for mutable in mutables:
            self.add_mutable(mutable)
        for name, layer in stored_layers(choices, at).items():
            self.add_module(name, layer)
        self.attention_dropout = 0.0  # see `ops.attention_dropout.set_attention_dropout`
        self.track_statistics = False  # set while BN is recalibrated
        self.block: Operator | None = None
        self._frames: dict[Operator, Frame] = {}
        self._shared: dict[str, Shared] = {}

    @classmethod
    def hook(cls, sharing: Sharing) -> Any:
        """The mutation hook for NNI: replaces searchable blocks."""

        def mutate(module: Any, name: str, memo: dict[str, Any], kwargs: dict[str, Any]) -> Any:
            if isinstance(module, ElasticBlock) or not isinstance(module, Searchable):
                return None
            leaves = list(module.simplify().values())
            return cls(module.choices, module.place, sharing, module.label, leaves), True

        return mutate

    def resample(self, memo: dict[str, Any]) -> dict[str, Any]:
        """Choose what `memo` says; if it lacks this block, draw at random. Returns the new labels."""
        if f"{self.label}.operator" in memo:
            self.block = self._read(memo)
            return {}
        drawn = {label: m.random() for label, m in self.simplify().items() if label not in memo}
        self.block = self._read({**drawn, **memo})
        return drawn

    def export(self, memo: dict[str, Any]) -> dict[str, Any]:
        """A random choice of the labels that `memo` lacks: a supernet has no preference of its own."""
        return {label: m.random() for label, m in self.simplify().items() if label not in memo}

    def freeze(self, sample: dict[str, Any]) -> ResidualBlock:
        """The static block of a sample, with copies of its weights."""
        block = self._read(sample)
        frozen = ResidualBlock(block, self.place)
        tensors = self.state_dict()
        frozen.load_state_dict({n: cut_out(tensors[stored], c) for n, stored, c in self._frame(block).cuts})
        return frozen

    def check_contains(self, sample: dict[str, Any]) -> Any:
        """NNI's validation; options of the operators that were not chosen do not matter."""
        operator = sample.get(f"{self.label}.operator")
        for label, mutable in self.simplify().items():
            if label.endswith(".operator") or label.startswith(f"{self.label}.{operator}."):
                error = mutable.check_contains(sample)
                if error is not None:
                    return error
        return None

    def forward(self, x: Tensor) -> Tensor:
        """Forward pass of the chosen candidate."""
        if self.block is None:
            raise RuntimeError(f"{self.label}: no candidate is chosen; call resample first")
        return self._frame(self.block)(x, self.track_statistics, self.attention_dropout)

    def parts(self, block: Operator) -> Iterator[tuple[Shared, Cut]]:
        """Every stored parameter that a candidate uses, with its cut."""
        parameters = {name for name, _ in self.named_parameters()}
        for _, stored, cut in self._frame(block).cuts:
            if stored in parameters:
                yield self.shared(stored), cut

    def shared(self, name: str) -> Shared:
        """The keeper of a stored parameter's gradient."""
        if name not in self._shared:
            path, _, key = name.rpartition(".")
            self._shared[name] = Shared(self.get_submodule(path), key)
        return self._shared[name]

    def used(self) -> Iterator[tuple[str, Region]]:
        """What the passes since the last zero_grad used, by the name of every parameter in it."""
        for name, shared in self._shared.items():
            if shared.parameter.grad is not None:
                yield name, shared.used

    def regions(self) -> Iterator[tuple[nn.Parameter, Region]]:
        """The same by parameter."""
        for name, region in self.used():
            yield self._shared[name].parameter, region

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles make views of their own tensors."""
        return {**self.__dict__, "_frames": {}, "_shared": {}}

    def _read(self, sample: dict[str, Any]) -> Operator:
        operator = sample[f"{self.label}.operator"]
        kind = operator_kind(operator, self.label)
        return kind(**{name: sample[f"{self.label}.{operator}.{name}"] for name in kind.option_kinds()})

    def _frame(self, block: Operator) -> Frame:
        """The candidate's static block on the stored tensors, made once."""
        frame = self._frames.get(block)
        if frame is None or not frame.fits:
            frame = Frame(block, self.place, self.sharing, self, self.shared)
            self._frames[block] = frame
        return frame


def elastic_blocks(supernet: nn.Module) -> Iterator[ElasticBlock]:
    """Every elastic block of a supernet, first to last."""
    for module in supernet.modules():
        if isinstance(module, ElasticBlock):
            yield module


class Chooser:
    """Sets every elastic module of a supernet to a sub-network.

    NNI's way, a `resample` of every module, also draws at random for the blocks that a shallow sub-network
    does not have, and takes milliseconds for each; those are left as they are here.
    """

    def __init__(self, supernet: nn.Module) -> None:
        found = [m for m in supernet.modules() if isinstance(m, BaseSuperNetModule)]
        self._blocks = {m.label: m for m in found if isinstance(m, ElasticBlock)}
        self._others = [m for m in found if not isinstance(m, ElasticBlock)]

    def __call__(self, architecture: Architecture) -> None:
        """Choose a sub-network of the supernet's space."""
        for label, block in architecture.blocks():
            assert isinstance(block, Operator)  # no space offers another block
            self._blocks[label].block = block
        sample = architecture.to_sample()
        for module in self._others:
            module.resample(memo=sample)
