"""Table 2 and Figure 4: networks searched under four budgets against three families of one operator."""

from __future__ import annotations

from typing import Any

from trionet_nni.reproduce import paper
from trionet_nni.reproduce.item import Item, flops, search_of
from trionet_nni.reproduce.jobs import Job
from trionet_nni.reproduce.report import Report
from trionet_nni.reproduce.scale import changed
from trionet_nni.reproduce.statistics import Claim, Spread
from trionet_nni.reproduce.training import Given, Origin, Training, Winner

_LETTERS = ("TrioNet-A", "TrioNet-B", "TrioNet-C", "TrioNet-D")


class Table2(Item):
    """Everything trained from scratch by the same recipe."""

    name = "table2"

    def trainings(self, name: str) -> list[Training]:
        """Of one network of the table, a training for each seed."""
        return [self._training(name, seed) for seed in self.seeds]

    def _training(self, name: str, seed: int) -> Training:
        if name not in _LETTERS:
            return Training(self._given[name], changed(self.scale.config, seed, {}))
        limit = self.scale.sizes.budgets[_LETTERS.index(name)]
        config = changed(self.scale.config, seed, {"search.max_flops": limit})
        return Training(Winner(search_of(self.scale, config)), config)

    @property
    def _given(self) -> dict[str, Origin]:
        families = self.scale.sizes.families.values()
        return {name: Given(name, network) for family in families for name, network in family}

    def jobs(self) -> list[Job]:
        """One supernet a seed serves the four budgets."""
        return [job for name in (*self._given, *_LETTERS) for job in self.trainings(name)]

    def report(self) -> Report:
        """The paper's rows with measured columns beside them."""
        names = (*self._given, *_LETTERS)
        return Report(
            self.name,
            "Table 2: searched networks against networks of one operator",
            self.conditions(),
            ("network", "paper: FLOPs", "paper: accuracy", "parameters", "FLOPs", "accuracy, test"),
            tuple(self._row(name) for name in names),
            tuple(self._claims()),
            self._draw,
        )

    def _row(self, name: str) -> tuple[str, ...]:
        results = [self.result(job) for job in self.trainings(name)]
        params, cost = (Spread.of([result[key] for result in results]).mean for key in ("params", "flops"))
        row = paper.TABLE2.get(name.lower()) if self.scale.name == "paper" else None
        row = paper.TABLE2_SEARCHED[name] if name in _LETTERS else row
        printed = ("", "") if row is None else (f"{row.flops:.1f} B", f"{row.accuracy:.1f}")
        accuracy = self.spread(self.trainings(name)).percent()
        return name, *printed, f"{params / 1e6:.3f} M", flops(cost), accuracy

    def _claims(self) -> list[Claim]:
        """Each searched network against the best network of one operator that costs at least as much."""
        claims = []
        for name in _LETTERS:
            searched = [self.result(job) for job in self.trainings(name)]
            ceiling = max(result["flops"] for result in searched)
            rivals = [name for name in self._given if self._flops(name) >= ceiling]
            if not rivals:
                continue
            best = max(rivals, key=lambda other: self.spread(self.trainings(other)).mean)
            claims.append(
                Claim.of(
                    f"{name} beats {best}, the best of those with at least its FLOPs",
                    [result["accuracy"] for result in searched],
                    [self.result(job)["accuracy"] for job in self.trainings(best)],
                )
            )
        return claims

    def _flops(self, given: str) -> float:
        return float(self.result(self.trainings(given)[0])["flops"])

    def _draw(self, figure: Any) -> None:
        axes = figure.subplots()
        families = {name: [title for title, _ in row] for name, row in self.scale.sizes.families.items()}
        for label, names in [*families.items(), ("TrioNet, searched", list(_LETTERS))]:
            points = []
            for name in names:
                results = [self.result(job) for job in self.trainings(name)]
                spread = self.spread(self.trainings(name))
                points.append((Spread.of([r["flops"] for r in results]).mean / 1e6, spread))
            xs, spreads = [x for x, _ in points], [spread for _, spread in points]
            means = [100 * spread.mean for spread in spreads]
            axes.errorbar(xs, means, [100 * spread.sd for spread in spreads], marker="o", label=label)
        axes.set_xlabel("MFLOPs")
        axes.set_ylabel("test accuracy, %")
        axes.legend()


class Figure4(Table2):
    """Table 2 as a picture."""

    name = "fig4"
