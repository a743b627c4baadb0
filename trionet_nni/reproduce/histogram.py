"""Figure 6 b: how accurate sampled sub-networks are, with and without the sandwich rule."""

from __future__ import annotations

from typing import Any

from trionet_nni.reproduce.ablation import OURS, SWITCHES
from trionet_nni.reproduce.item import Item, setting
from trionet_nni.reproduce.jobs import Job
from trionet_nni.reproduce.report import Report
from trionet_nni.reproduce.searching import Sample
from trionet_nni.reproduce.statistics import Claim, Spread

_NAMES = (OURS, "w/o sandwich")
_THIRDS = ("cheapest third", "middle third", "dearest third")


class Figure6b(Item):
    """The claim behind it: without the rule middle-sized networks look as good as the largest."""

    name = "fig6b"

    def samples(self, name: str) -> list[Sample]:
        """One a seed, as many networks as a search scores; the same networks each time."""
        scale = self.scale
        return [Sample(setting(scale, seed, **SWITCHES[name]), scale.candidates) for seed in self.seeds]

    def jobs(self) -> list[Job]:
        """Supernets shared with Table 3."""
        return [job for name in _NAMES for job in self.samples(name)]

    def _thirds(self, job: Sample) -> list[float]:
        """Mean accuracy of the cheapest, middle and dearest third."""
        rows = sorted(self.result(job)["flops, accuracy"])
        third = len(rows) // 3
        parts = (rows[:third], rows[third:-third], rows[-third:])
        return [sum(accuracy for _, accuracy in part) / len(part) for part in parts]

    def report(self) -> Report:
        """Means by size; the histograms as a figure."""
        rows = []
        for name in _NAMES:
            thirds = [self._thirds(job) for job in self.samples(name)]
            rows.append((name, *(Spread.of(values).percent() for values in zip(*thirds, strict=True))))
        return Report(
            self.name,
            "Figure 6 b: sampled sub-networks with and without the sandwich rule",
            self.conditions(
                f"{self.scale.candidates} networks drawn by Hierarchical Sampling, the same for every "
                "supernet; accuracy on the search images. The paper prints a histogram and no numbers."
            ),
            ("setting", *_THIRDS),
            tuple(rows),
            (self._claim(),),
            self._draw,
        )

    def _claim(self) -> Claim:
        def gain(name: str) -> list[float]:
            thirds = [self._thirds(job) for job in self.samples(name)]
            return [dearest - middle for _, middle, dearest in thirds]

        text = "The sandwich rule widens the lead of large networks over middle-sized ones"
        return Claim.of(text, gain(OURS), gain("w/o sandwich"))

    def _draw(self, figure: Any) -> None:
        axes = figure.subplots()
        for name in _NAMES:
            rows = [row for job in self.samples(name) for row in self.result(job)["flops, accuracy"]]
            axes.hist([100 * accuracy for _, accuracy in rows], bins=25, alpha=0.5, label=name)
        axes.set_xlabel("accuracy with the supernet's weights, %")
        axes.set_ylabel("sub-networks")
        axes.legend()
