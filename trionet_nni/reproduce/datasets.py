"""Tables 4 and 5: small data sets; what the supernet's weights are worth; stochastic depth."""

from __future__ import annotations

from typing import Any

from trionet_nni.reproduce import paper
from trionet_nni.reproduce.item import Item, flops, search_of
from trionet_nni.reproduce.jobs import Job
from trionet_nni.reproduce.report import Report
from trionet_nni.reproduce.scale import Scale, changed
from trionet_nni.reproduce.searching import Search
from trionet_nni.reproduce.statistics import Claim, Spread
from trionet_nni.reproduce.training import FromSupernet, Given, Training, Winner, with_recipe

_TRIONET = "TrioNet"
_SURVIVAL = (1.0, 0.8, 0.33)


class _DataSets(Item):
    def data_sets(self) -> dict[str, Scale]:
        """By the name of their data."""
        return {name: self.scale.other(file) for name, file in self.scale.sizes.data_sets.items()}

    def given(self, scale: Scale, number: int, survival: float) -> list[Job]:
        """A network of one operator, one training a seed."""
        name, network = self.scale.sizes.small[number]
        configs = [with_recipe(changed(scale.config, seed, {}), survival=survival) for seed in self.seeds]
        return [Training(Given(name, network), config) for config in configs]

    def search(self, scale: Scale, seed: int) -> Search:
        """Under the budget of the data set's experiment."""
        return search_of(scale, changed(scale.config, seed, {}))

    @property
    def names(self) -> list[str]:
        """The networks of one operator."""
        return [name for name, _ in self.scale.sizes.small]

    def _bars(self, figure: Any, rows: dict[str, list[tuple[str, Spread]]]) -> None:
        axes = figure.subplots()
        width = 0.8 / max(len(bars) for bars in rows.values())
        for number, bars in enumerate(rows.values()):
            for index, (label, spread) in enumerate(bars):
                x, color = number + index * width, f"C{index}"
                axes.bar(x, 100 * spread.mean, width, yerr=100 * spread.sd, color=color,
                         label=label if number == 0 else None)  # fmt: skip
        axes.set_xticks([number + 0.4 for number in range(len(rows))], list(rows))
        axes.set_ylabel("test accuracy, %")
        axes.legend(fontsize=7)


class Table4(_DataSets):
    """Searched on each data set and fine-tuned from the supernet's weights."""

    name = "table4"

    def trionet(self, scale: Scale) -> list[Job]:
        """The fine-tuned winner of each seed's search."""
        searches = [self.search(scale, seed) for seed in self.seeds]
        return [FromSupernet(Winner(search), "finetuned") for search in searches]

    def columns(self, scale: Scale) -> dict[str, list[Job]]:
        """Every network of a row."""
        given = {name: self.given(scale, number, 1.0) for number, name in enumerate(self.names)}
        return {**given, _TRIONET: self.trionet(scale)}

    def jobs(self) -> list[Job]:
        """Data set by data set."""
        columns = [self.columns(scale) for scale in self.data_sets().values()]
        return [job for column in columns for jobs in column.values() for job in jobs]

    def report(self) -> Report:
        """FLOPs and accuracy of each network, the paper's first."""
        sides = ("paper: ", "", "FLOPs, ")
        header = [f"{side}{name}" for name in (*self.names, _TRIONET) for side in sides]
        return Report(
            self.name,
            "Table 4: small data sets",
            self.conditions("Each data set has the recipe of its own experiment file."),
            ("data", *header),
            tuple(self._row(name, scale) for name, scale in self.data_sets().items()),
            tuple(self._claims()),
            lambda figure: self._bars(figure, self._spreads()),
        )

    def _row(self, data: str, scale: Scale) -> tuple[str, ...]:
        cells: list[str] = []
        for number, jobs in enumerate(self.columns(scale).values()):
            there = paper.TABLE4_ACCURACIES.get(data)
            cost = Spread.of([self.result(job)["flops"] for job in jobs]).mean
            cells += [f"{there[number]:.1f}" if there else "", self.spread(jobs).percent(), flops(cost)]
        return data, *cells

    def _spreads(self) -> dict[str, list[tuple[str, Spread]]]:
        return {
            data: [(name, self.spread(jobs)) for name, jobs in self.columns(scale).items()]
            for data, scale in self.data_sets().items()
        }

    def _claims(self) -> list[Claim]:
        claims = []
        for data, scale in self.data_sets().items():
            columns = self.columns(scale)
            best = max(self.names, key=lambda name: self.spread(columns[name]).mean)
            a, b = ([self.result(job)["accuracy"] for job in columns[name]] for name in (_TRIONET, best))
            claims.append(Claim.of(f"{data}: TrioNet matches or beats {best}, the best operator", a, b))
        return claims


class Table5(_DataSets):
    """Stochastic depth, and sub-networks with the supernet's weights as they are."""

    name = "table5"

    def data_sets(self) -> dict[str, Scale]:
        """The first two, as in the paper."""
        return dict(list(super().data_sets().items())[:2])

    def direct(self, scale: Scale) -> list[Job]:
        """The winner of each seed's search, with the supernet's weights as they are."""
        searches = [self.search(scale, seed) for seed in self.seeds]
        return [FromSupernet(Winner(search), "direct") for search in searches]

    def jobs(self) -> list[Job]:
        """Data set by data set."""
        return [job for scale in self.data_sets().values() for job in self._of(scale)]

    def _of(self, scale: Scale) -> list[Job]:
        given = [
            job
            for number in range(len(self.names))
            for survival in _SURVIVAL
            for job in self.given(scale, number, survival)
        ]
        return [*given, *self.direct(scale)]

    def report(self) -> Report:
        """A row for each network and survival probability."""
        sets = self.data_sets()
        rows = [
            (f"{name}, survival {survival:g}", *self._cells(sets, number, index))
            for number, name in enumerate(self.names)
            for index, survival in enumerate(_SURVIVAL)
        ]
        header = [f"{side}{data}" for data in sets for side in ("paper: ", "")]
        return Report(
            self.name,
            "Table 5: stochastic depth, and weights straight from the supernet",
            self.conditions("TrioNet: the winner with the supernet's weights, BN recalibrated."),
            ("network", *header),
            (*rows, (f"{_TRIONET}, supernet's weights", *self._direct_cells(sets))),
            tuple(self._claims()),
            lambda figure: self._bars(figure, self._spreads()),
        )

    def _cells(self, sets: dict[str, Scale], number: int, index: int) -> list[str]:
        cells = []
        for data, scale in sets.items():
            there = paper.TABLE5.get(data)
            jobs = self.given(scale, number, _SURVIVAL[index])
            cells += [f"{there.survival[number][index]:.1f}" if there else "", self.spread(jobs).percent()]
        return cells

    def _direct_cells(self, sets: dict[str, Scale]) -> list[str]:
        cells = []
        for data, scale in sets.items():
            there = paper.TABLE5.get(data)
            cells += [f"{there.trionet:.1f}" if there else "", self.spread(self.direct(scale)).percent()]
        return cells

    def _spreads(self) -> dict[str, list[tuple[str, Spread]]]:
        return {
            data: [
                *(
                    (f"{name}, {survival:g}", self.spread(self.given(scale, number, survival)))
                    for number, name in enumerate(self.names)
                    for survival in _SURVIVAL
                ),
                (_TRIONET, self.spread(self.direct(scale))),
            ]
            for data, scale in self.data_sets().items()
        }

    def _claims(self) -> list[Claim]:
        def accuracies(jobs: list[Job]) -> list[float]:
            return [self.result(job)["accuracy"] for job in jobs]

        return [
            Claim.of(
                f"{data}: {name} is worse with stochastic depth (0.33)",
                accuracies(self.given(scale, number, 1.0)),
                accuracies(self.given(scale, number, 0.33)),
            )
            for data, scale in self.data_sets().items()
            for number, name in enumerate(self.names)
        ]
