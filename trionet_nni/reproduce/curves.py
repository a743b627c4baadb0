"""Figures 5 a, 5 b and 6 a: the largest sub-network of each operator while the supernet learns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from trionet_nni.operators.registry import operator_kind
from trionet_nni.reproduce.ablation import OURS, SWITCHES
from trionet_nni.reproduce.item import Item, setting
from trionet_nni.reproduce.jobs import Job, SupernetJob
from trionet_nni.reproduce.report import Report
from trionet_nni.reproduce.statistics import Claim, Spread
from trionet_nni.settings.amounts import amount_text
from trionet_nni.settings.plugins import load_table


class _Curves(Item):
    title: ClassVar[str]
    without: ClassVar[str]  # the setting to compare with
    claims: ClassVar[dict[str, str]]  # of an operator

    def supernets(self, name: str) -> list[SupernetJob]:
        """Of one setting, a supernet for each seed."""
        return [SupernetJob(setting(self.scale, seed, **SWITCHES[name])) for seed in self.seeds]

    def jobs(self) -> list[Job]:
        """The supernets of both settings; they are Table 3's, and trained once for both items."""
        return [job for name in (OURS, self.without) for job in self.supernets(name)]

    @property
    def operators(self) -> tuple[str, ...]:
        """Names of the space's operators: each has a curve."""
        return load_table(self.scale.config.space).operator_names

    def report(self) -> Report:
        """The end of the curves as a table, the curves as a figure."""
        config = self.scale.config
        return Report(
            self.name,
            self.title,
            self.conditions(
                f"Accuracy on the {amount_text(config.data.search_images)} search images, BN recalibrated "
                f"on {amount_text(config.data.recalibration_images)} training images; the paper prints "
                "curves and no numbers.",
                "Claims are about the last point; all points and seeds are in the CSV file.",
            ),
            ("step", *(f"{operator}, {name}" for operator in self.operators for name in self._names)),
            tuple(self._row(index) for index in range(len(self._steps))),
            tuple(self._claim(operator, text) for operator, text in self.claims.items()),
            self._draw,
            runs=(("step", "operator", "setting", "seed", "accuracy"), *self._points()),
        )

    def _points(self) -> Iterator[tuple[str, ...]]:
        for name in self._names:
            for seed, job in zip(self.seeds, self.supernets(name), strict=True):
                for point in self.result(job)["curve"]:
                    for operator in self.operators:
                        yield f"{point['step']:g}", operator, name, str(seed), f"{point[operator]:.4f}"

    @property
    def _names(self) -> tuple[str, str]:
        return OURS, self.without

    @property
    def _steps(self) -> list[float]:
        return [point["step"] for point in self.result(self.supernets(OURS)[0])["curve"]]

    def _values(self, name: str, operator: str, index: int) -> list[float]:
        curves = [self.result(job)["curve"] for job in self.supernets(name)]
        return [curve[index][operator] for curve in curves]

    def _row(self, index: int) -> tuple[str, ...]:
        cells = (
            Spread.of(self._values(name, operator, index)).percent()
            for operator in self.operators
            for name in self._names
        )
        return f"{self._steps[index]:g}", *cells

    def _claim(self, operator: str, text: str) -> Claim:
        return Claim.of(text, self._values(OURS, operator, -1), self._values(self.without, operator, -1))

    def _draw(self, figure: Any) -> None:
        axes = figure.subplots(1, len(self.operators), sharey=True)
        for one, operator in zip(axes, self.operators, strict=True):
            for name, style in zip(self._names, ("-", "--"), strict=True):
                self._line(one, operator, name, style)
            one.set_title(f"largest {operator}", fontsize=9)
            one.set_xlabel("step")
            one.legend(fontsize=7)
        axes[0].set_ylabel("accuracy, %")

    def _line(self, axes: Any, operator: str, name: str, style: str) -> None:
        points: Sequence[Spread] = [
            Spread.of(self._values(name, operator, index)) for index in range(len(self._steps))
        ]
        colour = operator_kind(operator).colour
        means = [100 * point.mean for point in points]
        axes.plot(self._steps, means, style, color=colour, label=name)
        low = [100 * (point.mean - point.sd) for point in points]
        high = [100 * (point.mean + point.sd) for point in points]
        axes.fill_between(self._steps, low, high, color=colour, alpha=0.15, linewidth=0)


class Figure5a(_Curves):
    """The supernet's accuracy during training, with Hierarchical Sampling and without."""

    name = "fig5a"
    title = "Figure 5 a: with and without Hierarchical Sampling"
    without = "w/o HS"
    claims: ClassVar = {
        "conv": "Hierarchical Sampling helps the largest convolution",
        "local": "Hierarchical Sampling helps the largest local attention",
    }


class Figure5b(_Curves):
    """The supernet's accuracy during training, with Multi-Head Sharing and without."""

    name = "fig5b"
    title = "Figure 5 b: with and without Multi-Head Sharing"
    without = "w/o MHS"
    claims: ClassVar = {
        "local": "Multi-Head Sharing helps the largest local attention",
        "axial": "Multi-Head Sharing helps the largest axial attention",
    }


class Figure6a(_Curves):
    """The supernet's accuracy during training, with the sandwich rule and without."""

    name = "fig6a"
    title = "Figure 6 a: with and without the sandwich rule"
    without = "w/o sandwich"
    claims: ClassVar = {
        "conv": "The sandwich rule helps the largest convolution",
        "local": "The sandwich rule helps the largest local attention",
        "axial": "The sandwich rule helps the largest axial attention",
    }
