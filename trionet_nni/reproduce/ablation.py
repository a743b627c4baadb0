"""Table 3: what the sandwich rule, Hierarchical Sampling, Multi-Head Sharing and more epochs are worth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trionet_nni.reproduce import paper
from trionet_nni.reproduce.item import Item, flops, search_of, setting
from trionet_nni.reproduce.jobs import Job
from trionet_nni.reproduce.report import Report
from trionet_nni.reproduce.searching import Search
from trionet_nni.reproduce.statistics import Claim, Spread
from trionet_nni.reproduce.training import RandomLike, Training, Winner

OURS = "ours"
LONGER = "ours, 3 × the epochs"
RANDOM = "random"
_HEADER = ("setting", "paper: FLOPs", "paper: accuracy", "FLOPs", "accuracy, test", "with the supernet")
SWITCHES: dict[str, dict[str, Any]] = {
    "w/o sandwich": {"supernet__sandwich": False},
    "w/o HS": {"supernet__sampling": "strategies.uniform_sampling"},
    "w/o MHS": {"supernet__sharing": "strategies.prefix_sharing"},
    OURS: {},
}


class Table3(Item):
    """Searched under each setting, then trained from scratch, beside a random network of its FLOPs."""

    name = "table3"

    def search(self, name: str, seed: int) -> Search:
        """The search of a setting."""
        changes = dict(SWITCHES.get(name, {}))
        if name == LONGER:
            changes["supernet__recipe__epochs"] = self.scale.epochs(540)
        return search_of(self.scale, setting(self.scale, seed, **changes))

    def training(self, name: str, seed: int) -> Training:
        """The training of a setting's winner, or of the random network."""
        if name == RANDOM:
            search = self.search(OURS, seed)
            return Training(RandomLike(search), search.config)
        search = self.search(name, seed)
        return Training(Winner(search), search.config)

    def trainings(self, name: str) -> list[Training]:
        """Of one setting, a training for each seed."""
        return [self.training(name, seed) for seed in self.seeds]

    def jobs(self) -> list[Job]:
        """Short supernets first: the long ones take as long as all others."""
        return [job for name in (*SWITCHES, RANDOM, *self._longer) for job in self.trainings(name)]

    @property
    def _longer(self) -> tuple[str, ...]:
        return (LONGER,) if self.scale.sizes.three_times else ()

    @property
    def _names(self) -> tuple[str, ...]:
        return RANDOM, *SWITCHES, *self._longer

    def report(self) -> Report:
        """The paper's table with measured columns beside it."""
        return Report(
            self.name,
            "Table 3: searched under different settings",
            self.conditions("No FLOPs budget, as in the paper."),
            _HEADER,
            tuple(self._row(name) for name in self._names),
            tuple(self._claims()),
            self._draw,
            runs=(("setting", "seed", "network", "operators", "FLOPs", "accuracy, test"), *self._runs()),
        )

    def _runs(self) -> Iterator[tuple[str, ...]]:
        for name in self._names:
            for seed, job in zip(self.seeds, self.trainings(name), strict=True):
                result = self.result(job)
                which = (result["hash"], result["operators"], f"{result['flops']}")
                yield name, str(seed), *which, f"{result['accuracy']:.4f}"

    def _row(self, name: str) -> tuple[str, ...]:
        (cost_there, accuracy), jobs = paper.TABLE3[name], self.trainings(name)
        cost = Spread.of([self.result(job)["flops"] for job in jobs])
        found = "" if name == RANDOM else self._found(name).percent()
        printed = (f"{cost_there:.1f} B", f"{accuracy:.1f}")
        return name, *printed, flops(cost.mean), self.spread(jobs).percent(), found

    def _found(self, name: str) -> Spread:
        return self.spread([self.search(name, seed) for seed in self.seeds])

    def _accuracies(self, name: str) -> list[float]:
        return [self.result(job)["accuracy"] for job in self.trainings(name)]

    def _claims(self) -> list[Claim]:
        def claim(text: str, better: str, worse: str) -> Claim:
            printed = paper.TABLE3[better][1] - paper.TABLE3[worse][1]
            return Claim.of(text, self._accuracies(better), self._accuracies(worse), printed)

        return [
            claim("The sandwich rule improves the searched network", OURS, "w/o sandwich"),
            claim("Hierarchical Sampling improves the searched network", OURS, "w/o HS"),
            claim("Multi-Head Sharing improves the searched network", OURS, "w/o MHS"),
            *(claim("More epochs find a better network", name, OURS) for name in self._longer),
            claim("The searched network beats a random one of its FLOPs", OURS, RANDOM),
        ]

    def _draw(self, figure: Any) -> None:
        axes = figure.subplots()
        for name in self._names:
            results = [self.result(job) for job in self.trainings(name)]
            xs = [result["flops"] / 1e6 for result in results]
            axes.scatter(xs, [100 * result["accuracy"] for result in results], label=name, s=28)
        axes.set_xlabel("MFLOPs")
        axes.set_ylabel("test accuracy, %")
        axes.legend(fontsize=8)
