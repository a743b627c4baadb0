"""What every table and figure has in common: jobs to be done, and a report made from their results."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from trionet_nni.reproduce.jobs import Job
from trionet_nni.reproduce.report import Report
from trionet_nni.reproduce.scale import ANY_FLOPS, Scale, changed
from trionet_nni.reproduce.searching import Search, cost_model
from trionet_nni.reproduce.statistics import Spread
from trionet_nni.settings.amounts import amount_text
from trionet_nni.settings.project import ProjectConfig

_MILLION, _BILLION = 1e6, 1e9


@dataclass(frozen=True)
class Item(ABC):
    """A table or a figure of the paper at a scale.

    Its life: `jobs` are run (see `pool`), then `report` reads their results.

    Attributes:
        seeds: each is one run of everything: supernet, search, training.
    """

    scale: Scale
    seeds: tuple[int, ...]

    name: ClassVar[str]

    @abstractmethod
    def jobs(self) -> list[Job]:
        """What the report needs; their needs are found by the pool."""

    @abstractmethod
    def report(self) -> Report:
        """From the results of all jobs."""

    def result(self, job: Job) -> dict[str, Any]:
        """What a job came to; it has been run."""
        found = job.result(self.scale.working)
        if found is None:
            raise RuntimeError(f"{job.title}: no result")
        return found

    def spread(self, jobs: Sequence[Job]) -> Spread:
        """Of the accuracies of a job a seed."""
        return Spread.of([self.result(job)["accuracy"] for job in jobs])

    def conditions(self, *more: str) -> tuple[str, ...]:
        """What has to be known about every number."""
        return (*conditions(self.scale, self.seeds), *more)


def conditions(scale: Scale, seeds: Sequence[int]) -> tuple[str, ...]:
    """Scale, data, recipes, seeds; none of it is a result."""
    config, where = scale.config, cost_model(scale.config, scale.working)
    splits = config.data
    return (
        f"Scale `{scale.name}`, experiment `{scale.sizes.file}`: space `{config.space}`, "
        f"{where.image_size} × {where.image_size} pixels, {where.classes} classes; the division of the "
        f"images has seed {splits.seed} in all runs.",
        f"Supernet: {_recipe(config.supernet.recipe.model_dump())}; searches score "
        f"{scale.candidates} candidates on {amount_text(splits.search_images)} images that train nothing.",
        f"From scratch: {_recipe(config.retrain.model_dump())}, on all training images; measured once, on "
        "the test images.",
        f"Seeds {', '.join(map(str, seeds))}, each for supernet, search and training; ± is the standard "
        "deviation of one run over seeds."
        if len(seeds) > 1
        else f"One seed: {seeds[0]}; no spread.",
    )


def _recipe(recipe: Mapping[str, Any]) -> str:
    length = f"{recipe['steps']:,} steps" if recipe["steps"] else f"{recipe['epochs']:g} epochs"
    return f"{length}, batch {recipe['batch_size']}, learning rate {recipe['learning_rate']:g}"


def flops(value: float) -> str:
    """With a unit that suits it."""
    return f"{value / _BILLION:.2f} B" if value >= _BILLION else f"{value / _MILLION:.2f} M"


def setting(scale: Scale, seed: int, **changes: Any) -> ProjectConfig:
    """The scale's configuration for an ablation: no budget, the short schedule, further changes.

    Args:
        changes: of fields, dots written as two underscores.
    """
    free = {"search.max_flops": ANY_FLOPS, "search.band": 0.0}
    short = free | {"supernet.recipe.epochs": scale.epochs(180)}
    return changed(
        scale.config, seed, short | {name.replace("__", "."): value for name, value in changes.items()}
    )


def search_of(scale: Scale, config: ProjectConfig) -> Search:
    """A configuration's search, as long as the scale's."""
    return Search(config, scale.candidates)
