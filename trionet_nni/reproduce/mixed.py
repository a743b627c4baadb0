"""The paper's three ideas on mixed networks, by loss: what each is worth where it is meant to be.

Figures 5 and 6 show networks of one operator alone, of which uniform sampling trains more than Hierarchical
Sampling does, the fewer blocks the more. Candidates of a search are mixed.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from trionet_nni.reproduce.ablation import OURS, SWITCHES
from trionet_nni.reproduce.item import Item, setting
from trionet_nni.reproduce.jobs import Job
from trionet_nni.reproduce.losses import Kind, Losses
from trionet_nni.reproduce.report import Report
from trionet_nni.reproduce.statistics import Claim, Spread
from trionet_nni.settings.plugins import load_table
from trionet_nni.settings.project import ProjectConfig

NETWORKS = 32  # of a kind
_HEADER = ("supernet", "steps", "networks", "loss", "accuracy, %")


@dataclass(frozen=True)
class Side:
    """One supernet of a comparison.

    Attributes:
        name: for the table.
        switch: of Table 3.
        times: its steps ÷ the experiment's.
    """

    name: str
    switch: str
    times: float = 1.0


class _Mixed(Item):
    title: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]]
    space: ClassVar[str | None] = None  # where it is not the scale's

    @abstractmethod
    def sides(self) -> tuple[Side, ...]:
        """The supernets that are compared, the paper's first."""

    @abstractmethod
    def claims(self) -> Iterator[Claim]:
        """The sentences that are tested."""

    def config(self, side: Side, seed: int) -> ProjectConfig:
        """A side's experiment."""
        recipe = self.scale.config.supernet.recipe
        changes: dict[str, Any] = dict(SWITCHES[side.switch])
        if side.times != 1 and recipe.steps:
            changes["supernet__recipe__steps"] = round(side.times * recipe.steps)
        elif side.times != 1:
            changes["supernet__recipe__epochs"] = side.times * self.scale.epochs(180)
        if self.space is not None:
            changes["space"] = self.space
        return setting(self.scale, seed, **changes)

    def losses(self, side: Side, kind: Kind) -> list[Losses]:
        """Of a side, a job for each seed."""
        return [Losses(self.config(side, seed), NETWORKS, kind) for seed in self.seeds]

    def jobs(self) -> list[Job]:
        """Seed by seed, so that an interrupted run leaves whole pairs."""
        return [
            Losses(self.config(side, seed), NETWORKS, kind)
            for seed in self.seeds
            for side in self.sides()
            for kind in self.kinds
        ]

    def found(self, side: Side, kind: Kind) -> list[float]:
        """A side's mean losses, seed by seed."""
        return [self.result(job)["loss"] for job in self.losses(side, kind)]

    def claim(self, text: str, better: Side, worse: Side, kind: Kind) -> Claim:
        """That one side's networks of a kind have the smaller loss."""
        return Claim.of_losses(text, self.found(better, kind), self.found(worse, kind))

    def report(self) -> Report:
        """A row for each side and kind."""
        return Report(
            self.name,
            self.title,
            self.conditions(
                f"{NETWORKS} networks of a kind, the same for all supernets; loss and accuracy are means "
                "over them, on the search images with BN recalibrated.",
                *([f"Space `{self.space}` instead."] if self.space else []),
            ),
            _HEADER,
            tuple(self._row(side, kind) for side in self.sides() for kind in self.kinds),
            tuple(self.claims()),
            self._draw,
            runs=(("supernet", "networks", "seed", "loss", "accuracy"), *self._runs()),
        )

    def _row(self, side: Side, kind: Kind) -> tuple[str, ...]:
        loss = Spread.of(self.found(side, kind))
        steps = self.config(side, self.seeds[0]).supernet.recipe.steps
        told = f"{loss.mean:.3f} ± {loss.sd:.3f}" if loss.count > 1 else f"{loss.mean:.3f}"
        accuracy = self.spread(self.losses(side, kind)).percent()
        return side.name, "" if steps is None else f"{steps:,}", kind, told, accuracy

    def _runs(self) -> Iterator[tuple[str, ...]]:
        for side in self.sides():
            for kind in self.kinds:
                for seed, job in zip(self.seeds, self.losses(side, kind), strict=True):
                    result = self.result(job)
                    yield side.name, kind, str(seed), f"{result['loss']:.4f}", f"{result['accuracy']:.4f}"

    def _draw(self, figure: Any) -> None:
        axes = figure.subplots()
        for number, kind in enumerate(self.kinds):
            spreads = [Spread.of(self.found(side, kind)) for side in self.sides()]
            places = [place + 0.1 * number for place in range(len(spreads))]
            means, deviations = ([getattr(one, name) for one in spreads] for name in ("mean", "sd"))
            axes.errorbar(places, means, deviations, fmt="o", label=kind)
        axes.set_xticks(range(len(self.sides())), [side.name for side in self.sides()], fontsize=8)
        axes.set_ylabel("loss with the supernet")
        axes.legend(fontsize=8)


class MixedSampling(_Mixed):
    """Hierarchical Sampling against uniform, at equal steps and at equal updates of an operator."""

    name = "hs"
    title = "Hierarchical Sampling on mixed networks"
    kinds: ClassVar = ("mixed",)
    ours: ClassVar = Side(OURS, OURS)
    uniform: ClassVar = Side("uniform", "w/o HS")

    def equal(self, operator: str) -> Side:
        """So many steps that an operator is drawn as often as uniform sampling draws it."""
        table = load_table(self.scale.config.space)
        share = len(table.choices(operator).blocks) / len(table.blocks)
        return Side(f"ours, updates of {operator} equal", OURS, share * len(table.operators))

    @property
    def ends(self) -> tuple[str, str]:
        """The operators that uniform sampling draws least and most often."""
        table = load_table(self.scale.config.space)
        ordered = sorted(table.operators, key=lambda choices: len(choices.blocks))
        return ordered[0].operator, ordered[-1].operator

    def sides(self) -> tuple[Side, ...]:
        """Equal steps first."""
        return self.ours, self.uniform, *(self.equal(name) for name in self.ends)

    def claims(self) -> Iterator[Claim]:
        """The paper's, which is about equal steps, and what equal updates make of it."""
        text = "Hierarchical Sampling helps mixed networks"
        yield self.claim(f"{text}, equal steps", self.ours, self.uniform, "mixed")
        for name in self.ends:
            yield self.claim(f"{text}, equal updates of {name}", self.equal(name), self.uniform, "mixed")


class MixedHeads(_Mixed):
    """Multi-Head Sharing against prefixes, where heads are wide and networks use half of them."""

    name = "mhs"
    title = "Multi-Head Sharing on networks of half rates and mixed heads"
    kinds: ClassVar = ("halved", "mixed")
    space: ClassVar = "spaces.small_heads"
    ours: ClassVar = Side(OURS, OURS)
    prefix: ClassVar = Side("prefix", "w/o MHS")

    def sides(self) -> tuple[Side, ...]:
        """Both rules."""
        return self.ours, self.prefix

    def claims(self) -> Iterator[Claim]:
        """By kind."""
        text = "Multi-Head Sharing helps attention"
        yield self.claim(f"{text} with half rates and any heads", self.ours, self.prefix, "halved")
        yield self.claim(f"{text} of any rates and heads", self.ours, self.prefix, "mixed")


class MixedSandwich(_Mixed):
    """The sandwich rule against as many random sub-networks a step, at its ends and between."""

    name = "sandwich"
    title = "The sandwich rule at its ends and between"
    kinds: ClassVar = ("largest", "smallest", "mixed")
    ours: ClassVar = Side(OURS, OURS)
    without: ClassVar = Side("random only", "w/o sandwich")

    def sides(self) -> tuple[Side, ...]:
        """Both rules."""
        return self.ours, self.without

    def claims(self) -> Iterator[Claim]:
        """By kind."""
        for kind in self.kinds:
            text = f"The sandwich rule helps the {kind} networks"
            yield self.claim(text, self.ours, self.without, kind)
