"""Table 1 as data: which choices each operator offers, and how deep each stage may be.

The values live in `spaces/`; this is only their type and what can be counted from it. Nothing here
needs NNI or torch, so that small commands answer at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.skeleton import Skeleton, skeleton
from trionet_nni.errors import InputError
from trionet_nni.operators.operator import Operator
from trionet_nni.operators.registry import operator_kind


@dataclass(frozen=True)
class OperatorChoices:
    """One column of Table 1: the options of an operator, each with its candidates.

    Raises:
        InputError: no operator has this name, or it has other options.
    """

    operator: str
    options: tuple[tuple[str, tuple[float, ...]], ...]

    def __post_init__(self) -> None:
        wanted, found = set(self.kind.option_kinds()), {name for name, _ in self.options}
        if wanted != found:
            raise InputError(
                f"options of {self.operator!r}: found {', '.join(sorted(found))}, "
                f"allowed: exactly {', '.join(sorted(wanted))}"
            )

    @property
    def kind(self) -> type[Operator]:
        """The operator's class."""
        return operator_kind(self.operator)

    @cached_property
    def blocks(self) -> tuple[Operator, ...]:
        """Every candidate of this operator, in the order of the table."""
        names = [name for name, _ in self.options]
        combinations = product(*(candidates for _, candidates in self.options))
        return tuple(self.kind(**dict(zip(names, values, strict=True))) for values in combinations)

    @property
    def smallest(self) -> Operator:
        """The candidate with the smallest option in every row (the sandwich rule's smallest θ)."""
        return self.kind(**{name: min(candidates) for name, candidates in self.options})

    @property
    def largest(self) -> Operator:
        """The candidate with the largest option in every row (the sandwich rule's largest θ)."""
        return self.kind(**{name: max(candidates) for name, candidates in self.options})

    @property
    def stored(self) -> Operator:
        """The candidate whose tensors hold those of all others; see `operators.options.Option.holds`."""
        kinds = self.kind.option_kinds()
        return self.kind(**{name: kinds[name].holds(candidates) for name, candidates in self.options})


@dataclass(frozen=True)
class SpaceTable:
    """A search space: a skeleton, the operators of every block and the depths of every stage."""

    space: str
    operators: tuple[OperatorChoices, ...]
    depths: tuple[tuple[int, ...], ...]

    @property
    def skeleton(self) -> Skeleton:
        """The part of the networks that is not searched."""
        return skeleton(self.space)

    @property
    def operator_names(self) -> tuple[str, ...]:
        """Operators in the order of the table."""
        return tuple(choices.operator for choices in self.operators)

    def choices(self, operator: str) -> OperatorChoices:
        """The column of one operator."""
        return next(choices for choices in self.operators if choices.operator == operator)

    @cached_property
    def blocks(self) -> tuple[Operator, ...]:
        """Every candidate of a block, all operators."""
        return tuple(block for choices in self.operators for block in choices.blocks)

    @property
    def architectures(self) -> int:
        """Number of different networks (section 3.2: 7.2·10²⁵ for the paper's space)."""
        candidates = len(self.blocks)
        return prod(sum(candidates**depth for depth in depths) for depths in self.depths)

    def only(self, operator: str) -> SpaceTable:
        """The stand-alone subspace of one operator."""
        return SpaceTable(self.space, (self.choices(operator),), self.depths)

    def contains(self, architecture: Architecture) -> bool:
        """Whether the space holds this network."""
        if architecture.space != self.space:
            return False
        candidates = set(self.blocks)
        return all(
            len(stage) in depths and candidates.issuperset(stage)
            for stage, depths in zip(architecture.stages, self.depths, strict=True)
        )

    def positions(self) -> Iterator[tuple[int, int]]:
        """(stage, block) of every block of the largest network."""
        for stage, depths in enumerate(self.depths):
            for block in range(max(depths)):
                yield stage, block
