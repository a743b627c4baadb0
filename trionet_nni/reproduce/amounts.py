"""Figures 7 a and 7 b: searched networks against epochs and images of the supernet's training."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from trionet_nni.reproduce.item import Item, flops, search_of, setting
from trionet_nni.reproduce.jobs import Job
from trionet_nni.reproduce.report import Report
from trionet_nni.reproduce.statistics import Claim, Spread
from trionet_nni.reproduce.training import Training, Winner

Amount = float | int | None
_EPOCHS = (20, 60, 180, 540)


class _Amounts(Item):
    title: ClassVar[str]
    axis: ClassVar[str]
    claim: ClassVar[str]

    @abstractmethod
    def amounts(self) -> tuple[tuple[str, Amount], ...]:
        """(what the paper calls it, the amount here), smallest first."""

    @abstractmethod
    def training(self, amount: Amount, seed: int) -> Training:
        """The winner of a supernet trained with this amount, itself trained with all there is."""

    def trainings(self, amount: Amount) -> list[Training]:
        """A training for each seed."""
        return [self.training(amount, seed) for seed in self.seeds]

    def jobs(self) -> list[Job]:
        """The trainings of the smallest amount first: they are done soonest."""
        return [job for _, amount in self.amounts() for job in self.trainings(amount)]

    def report(self) -> Report:
        """A row for each amount; the claim compares the largest with the smallest."""
        rows = []
        for paper, amount in self.amounts():
            jobs = self.trainings(amount)
            cost = Spread.of([self.result(job)["flops"] for job in jobs]).mean
            rows.append((paper, _shown(amount), flops(cost), self.spread(jobs).percent()))
        (_, least), *_, (_, most) = self.amounts()
        a, b = ([self.result(job)["accuracy"] for job in self.trainings(end)] for end in (most, least))
        return Report(
            self.name,
            self.title,
            self.conditions("The paper prints a curve and no numbers."),
            (f"paper: {self.axis}", self.axis, "FLOPs", "accuracy, test"),
            tuple(rows),
            (Claim.of(self.claim, a, b),),
            self._draw,
        )

    def _draw(self, figure: Any) -> None:
        axes = figure.subplots()
        spreads = [self.spread(self.trainings(amount)) for _, amount in self.amounts()]
        names = [_shown(amount) for _, amount in self.amounts()]
        means, errors = ([100 * value for value in values] for values in _columns(spreads))
        axes.errorbar(range(len(names)), means, errors, marker="o")
        axes.set_xticks(range(len(names)), names)
        axes.set_xlabel(self.axis)
        axes.set_ylabel("test accuracy of the searched network, %")


class Figure7a(_Amounts):
    """Accuracy of the searched network against the epochs of the supernet's training."""

    name = "fig7a"
    title = "Figure 7 a: more epochs"
    axis = "epochs of the supernet"
    claim = "Most epochs find a better network than fewest"

    def amounts(self) -> tuple[tuple[str, Amount], ...]:
        """20, 60, 180 and 540 of the paper's; none is shorter than the warm-up."""
        return tuple((str(paper), self.scale.epochs(paper)) for paper in _EPOCHS)

    def training(self, amount: Amount, seed: int) -> Training:
        """180 and 540 are Table 3's."""
        config = setting(self.scale, seed, supernet__recipe__epochs=amount)
        return Training(Winner(search_of(self.scale, config)), config)


class Figure7b(_Amounts):
    """Accuracy of the searched network against the number of images that train the supernet."""

    name = "fig7b"
    title = "Figure 7 b: more images"
    axis = "images of the supernet"
    claim = "All images find a better network than fewest"

    def amounts(self) -> tuple[tuple[str, Amount], ...]:
        """10,000, 100,000 and all of the paper's."""
        return tuple(zip(("10,000", "100,000", "all"), self.scale.sizes.images, strict=True))

    def training(self, amount: Amount, seed: int) -> Training:
        """Trained from scratch on the full training set, whatever the supernet had."""
        whole = setting(self.scale, seed)
        config = setting(self.scale, seed, data__train_images=amount)
        return Training(Winner(search_of(self.scale, config)), whole)


def _shown(amount: Amount) -> str:
    return "all" if amount is None else f"{amount:,.2f}".rstrip("0").rstrip(".")


def _columns(spreads: list[Spread]) -> tuple[list[float], list[float]]:
    return [spread.mean for spread in spreads], [spread.sd for spread in spreads]
