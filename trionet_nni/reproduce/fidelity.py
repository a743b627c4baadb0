"""`trionet fidelity`: does the supernet rank networks as training from scratch does?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from trionet_nni.errors import InputError
from trionet_nni.experiment.open import find_run, open_run
from trionet_nni.reproduce.item import flops
from trionet_nni.reproduce.pool import run_jobs
from trionet_nni.reproduce.report import Report
from trionet_nni.reproduce.scale import changed
from trionet_nni.reproduce.statistics import RESAMPLES, Rank, Spread, rank_correlation
from trionet_nni.reproduce.training import Given, Training
from trionet_nni.settings.amounts import amount_text
from trionet_nni.settings.project import Metric, ProjectConfig
from trionet_nni.supernet.results import Evaluation, ResultsStore, ranked

LEAST = 4  # networks; with fewer a rank correlation says nothing


@dataclass(frozen=True)
class Fidelity:
    """Networks of a finished search and how well they do when trained from scratch.

    Attributes:
        chosen: cheapest first.
        seeds: of the trainings.
        working: folder of all experiments.
    """

    experiment: str
    config: ProjectConfig
    chosen: tuple[Evaluation, ...]
    seeds: tuple[int, ...]
    working: Path

    def trainings(self, one: Evaluation) -> list[Training]:
        """Of one network, a training from scratch for each seed."""
        source = Given(one.architecture.hash[:8], one.architecture)
        return [Training(source, changed(self.config, seed, {})) for seed in self.seeds]

    def run(self, parallel: int, console: Console) -> None:
        """Train what is missing.

        Raises:
            JobFailed: a training ended without a result.
        """
        jobs = [job for one in self.chosen for job in self.trainings(one)]
        run_jobs(jobs, self.working, parallel, console)

    def retrained(self) -> list[Spread]:
        """Test accuracies over seeds, in the order of `chosen`."""
        found = []
        for one in self.chosen:
            results = [job.result(self.working) for job in self.trainings(one)]
            found.append(Spread.of([result["accuracy"] for result in results if result]))
        return found

    def report(self) -> Report:
        """The networks, Kendall's τ of the supernet, and of FLOPs alone beside it."""
        retrained = self.retrained()
        means = [spread.mean for spread in retrained]
        metric = self.config.search.metric
        by_supernet = rank_correlation([one.score(metric) for one in self.chosen], means)
        by_flops = rank_correlation([float(one.flops) for one in self.chosen], means)
        rows = [_row(one, spread) for one, spread in zip(self.chosen, retrained, strict=True)]
        return Report(
            "fidelity",
            f"Rank fidelity: the supernet's {metric} against the accuracy of training from scratch",
            self._conditions(),
            ("network", "operators", "FLOPs", *_scores_header(self.chosen), "from scratch, test, %"),
            tuple(rows),
            (),
            lambda figure: self._draw(figure, retrained),
            (
                f"Kendall's τ between {_ranking(metric)} with the supernet's weights, which the search "
                f"goes by, and the accuracy from scratch: **{_shown(by_supernet)}**.",
                f"For comparison, τ between FLOPs and the accuracy from scratch: {_shown(by_flops)}. A "
                "supernet is worth its training where it ranks better than FLOPs do.",
            ),
        )

    def _conditions(self) -> tuple[str, ...]:
        data, recipe = self.config.data, self.config.retrain
        length = f"{recipe.steps:,} steps" if recipe.steps else f"{recipe.epochs:g} epochs"
        return (
            f"Experiment `{self.experiment}`, space `{self.config.space}`: {len(self.chosen)} of its "
            "candidates, spread over the logarithm of FLOPs between the ends of its Pareto front: in "
            "each part the best and the middle one of its ranking.",
            f"With the supernet: {amount_text(data.search_images)} search images. From scratch: {length}, "
            f"batch {recipe.batch_size}, all training images, measured on the test images, seeds "
            f"{', '.join(map(str, self.seeds))}.",
            "τ-b; the 95 % interval is a percentile bootstrap over the networks "
            f"({RESAMPLES:,} resamples).",
        )

    def _draw(self, figure: Any, retrained: Sequence[Spread]) -> None:
        axes = figure.subplots()
        metric = self.config.search.metric
        xs = [one.loss if metric == "loss" else 100 * one.accuracy for one in self.chosen]
        colours = [one.flops / 1e6 for one in self.chosen]
        ys, errors = [100 * one.mean for one in retrained], [100 * one.sd for one in retrained]
        axes.errorbar(xs, ys, errors, fmt="none", ecolor="lightgrey", zorder=1)
        points = axes.scatter(xs, ys, c=colours, zorder=2)
        figure.colorbar(points, label="MFLOPs")
        if metric == "loss":
            axes.invert_xaxis()  # the best to the right, as with the accuracy
        unit = "" if metric == "loss" else ", %"
        axes.set_xlabel(f"{metric} with the supernet's weights, search images{unit}")
        axes.set_ylabel("accuracy from scratch, test images, %")


def open_fidelity(experiment: str, count: int, seeds: int) -> Fidelity:
    """Choose networks of a finished experiment.

    Args:
        experiment: NNI's id, or the experiment's folder.
        count: how many networks.
        seeds: trainings of each.

    Raises:
        InputError: there is no such experiment, or it has too few results.
    """
    if count < LEAST or seeds < 1:
        raise InputError(
            f"fidelity: found --networks {count}, --seeds {seeds}, allowed: {LEAST} or more, and 1 or more"
        )
    run = open_run(find_run(experiment))
    chosen = choose(run.results, count)
    return Fidelity(
        run.folder.root.name, run.config, tuple(chosen), tuple(range(seeds)), run.folder.working_directory
    )


def choose(store: ResultsStore, count: int) -> list[Evaluation]:
    """Networks spread over the FLOPs of the Pareto front, two from each part of it, cheapest first.

    The front alone would rank itself by FLOPs; the second network of a part is one that it beats.

    Raises:
        InputError: the store has fewer networks in that range.
    """
    front = store.pareto()
    low, high = (front[0].flops, front[-1].flops) if front else (0, 0)
    inside = [one for one in store.all() if low <= one.flops <= high]
    if len(inside) < count:
        raise InputError(
            f"{store.folder}: found {len(inside)} networks between the ends of the Pareto front, "
            f"allowed: {count} or more (--networks)"
        )
    chosen: dict[str, Evaluation] = {}
    for part in _parts(inside, low, high, math.ceil(count / 2)):
        best = ranked(part, store.metric)
        pair = [*best[:1], *best[len(best) // 2 :][:1]]
        chosen.update({one.architecture.hash: one for one in pair})
    rest = [one for one in inside if one.architecture.hash not in chosen]
    wanted = [*chosen.values(), *rest][:count]
    return sorted(wanted, key=lambda one: one.flops)


def _parts(networks: Sequence[Evaluation], low: int, high: int, count: int) -> list[list[Evaluation]]:
    """By equal steps of log FLOPs; empty parts stay empty."""
    parts: list[list[Evaluation]] = [[] for _ in range(count)]
    width = math.log(high / low) / count or 1.0
    for one in networks:
        parts[min(int(math.log(one.flops / low) / width), count - 1)].append(one)
    return parts


def _row(one: Evaluation, spread: Spread) -> tuple[str, ...]:
    network = one.architecture
    scores = (*(() if one.loss is None else (f"{one.loss:.4f}",)), f"{100 * one.accuracy:.1f}")
    which = (network.hash[:8], network.operators.replace("|", "/"), flops(one.flops))
    return *which, *scores, spread.percent()


def _scores_header(chosen: Sequence[Evaluation]) -> tuple[str, ...]:
    known = all(one.loss is not None for one in chosen)
    return (*(("loss with the supernet",) if known else ()), "accuracy with the supernet, %")


def _ranking(metric: Metric) -> str:
    return "the smallness of the loss" if metric == "loss" else "the accuracy"


def _shown(rank: Rank) -> str:
    return f"{rank.tau:.2f} (95 % interval {rank.low:.2f} … {rank.high:.2f})"
