"""A search space, and a network drawn from it, in the form that NNI's strategies work with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from nni.mutable import Categorical, LabeledMutable, Mutable, SampleValidationError
from nni.nas.space import ExecutableModelSpace, ModelStatus

from trionet_nni.architecture.architecture import Architecture, Sample
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.errors import InputError
from trionet_nni.nnictl.manager.portal import space_labels


class CandidateSpace(ExecutableModelSpace):  # type: ignore[misc]
    """A table of choices as an NNI model space; frozen, one network of it.

    It holds no tensors: a trial builds the network from the sample. NNI's "simplified" model format would
    evaluate random weights instead of the supernet's.

    Attributes:
        table: the space.
        sample: NNI's flat sample of a frozen network, active labels only.
        metrics, status: kept by the engine and read by strategies, as NNI defines them.
    """

    def __init__(self, table: SpaceTable, architecture: Architecture | None = None) -> None:
        super().__init__(ModelStatus.Initialized if architecture is None else ModelStatus.Frozen)
        self.table = table
        self.evaluator = None
        self._architecture = architecture
        self.sample: Sample | None = None if architecture is None else architecture.to_sample()

    @property
    def architecture(self) -> Architecture:
        """The network of a frozen space."""
        if self._architecture is None:
            raise RuntimeError("the space is not frozen: it has no architecture yet")
        return self._architecture

    def freeze(self, sample: Sample) -> CandidateSpace:
        """One network; labels of inactive choices are dropped.

        Raises:
            SampleValidationError: the space does not hold it.
        """
        self.validate(sample)
        return CandidateSpace(self.table, Architecture.from_sample(self.table.space, sample))

    def check_contains(self, sample: Sample) -> Any:
        """None, or what is wrong with a sample, as NNI asks for it."""
        try:
            architecture = Architecture.from_sample(self.table.space, sample)
        except InputError as error:
            return SampleValidationError(str(error))
        if self.table.contains(architecture):
            return None
        return SampleValidationError(f"not a network of {self.table.space!r}: {architecture.to_json()}")

    def leaf_mutables(self, is_leaf: Callable[[Mutable], bool]) -> Iterable[LabeledMutable]:
        """One categorical per label of the table."""
        for label, values in space_labels(self.table).items():
            yield Categorical(values, label=label)

    def extra_repr(self) -> str:
        """For logs: the space, the network's hash once it is frozen, and NNI's status."""
        network = "" if self._architecture is None else f", {self._architecture.hash}"
        return f"{self.table.space}{network}, {self.status.value}"
