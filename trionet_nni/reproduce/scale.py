"""The size of a reproduction: an experiment file, and what the paper's numbers become there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trionet_nni.architecture.architecture import Architecture, Block
from trionet_nni.architecture.baselines import BASELINES
from trionet_nni.errors import InputError
from trionet_nni.experiment.open import open_experiment
from trionet_nni.operators.axial import Axial
from trionet_nni.operators.conv import Conv
from trionet_nni.operators.local import Local
from trionet_nni.settings.project import ProjectConfig

ANY_FLOPS = 1e15  # Table 3 searches without a budget
_SHORT = 180  # epochs of Table 3's ablations in the paper


@dataclass(frozen=True)
class Sizes:
    """What differs between the paper and a replica.

    Attributes:
        file: the experiment that everything starts from.
        short_epochs: of the supernet; they stand for the paper's 180.
        budgets: FLOPs of TrioNet-A … D.
        images: for Fig. 7 b; None: all.
        families: hand-designed networks of one operator, smallest first.
        data_sets: experiment files of Tables 4 and 5 by the name of their data.
        small: the networks of Tables 4 and 5.
        three_times: whether Table 3 has its row of three times the epochs, the longest of all.
    """

    file: str
    short_epochs: float
    budgets: tuple[float, ...]
    images: tuple[int | None, ...]
    families: Mapping[str, tuple[tuple[str, Architecture], ...]]
    data_sets: Mapping[str, str]
    small: tuple[tuple[str, Architecture], ...]
    three_times: bool = True


def _families() -> dict[str, tuple[tuple[str, Architecture], ...]]:
    names = {"ResNet": "resnet", "Local": "local", "Axial": "axial"}
    return {
        family: tuple((f"{family}-{layers}", BASELINES[f"{name}-{layers}"]) for layers in (26, 38, 50))
        for family, name in names.items()
    }


_TINY: dict[str, Block] = {
    "Conv": Conv(0.25, 3),
    "Local": Local(0.25, 7, 1.0, 1.0, 8),
    "Axial": Axial(0.5, 0.5, 1.0, 8),
}


def _tiny_families() -> dict[str, tuple[tuple[str, Architecture], ...]]:
    """The blocks of the paper's three families at three depths."""
    depths = ((1, 1), (1, 2), (2, 2))
    return {
        family: tuple(
            (f"{family}-{sum(deep)}", Architecture("trionet-tiny", tuple((block,) * n for n in deep)))
            for deep in depths
        )
        for family, block in _TINY.items()
    }


def _deepest(families: Mapping[str, tuple[tuple[str, Architecture], ...]]) -> Any:
    return tuple(networks[-1] for networks in families.values())


def _small() -> tuple[tuple[str, Architecture], ...]:
    names = {"ResNet-18": "resnet-18", "Local-26": "local-26", "Axial-26": "axial-26"}
    return tuple((title, BASELINES[name]) for title, name in names.items() if name in BASELINES)


SIZES = {
    "paper": Sizes(
        "experiments/imagenet.yml",
        180,
        (2.0e9, 3.0e9, 4.0e9, 4.7e9),
        (10_000, 100_000, None),
        _families(),
        {
            "Stanford Cars": "experiments/stanford-cars.yml",
            "FGVC Aircraft": "experiments/fgvc-aircraft.yml",
            "CUB": "experiments/cub.yml",
            "Caltech-101": "experiments/caltech-101.yml",
            "102 Flowers": "experiments/flowers-102.yml",
        },
        _small(),
    ),
    "replica": Sizes(
        "experiments/replica.yml",
        6,
        (2.2e6, 3.0e6, 4.5e6, 7.0e6),
        (500, 2_000, None),
        _tiny_families(),
        {"CIFAR-10": "experiments/replica.yml", "digits": "experiments/replica-digits.yml"},
        _deepest(_tiny_families()),
    ),
}
SIZES["replica-long"] = replace(
    SIZES["replica"],
    file="experiments/replica-long.yml",
    short_epochs=18,
    data_sets={"CIFAR-10": "experiments/replica-long.yml"},
    three_times=False,
)
SIZES["claims"] = replace(
    SIZES["replica"], file="experiments/claims.yml", data_sets={"CIFAR-10": "experiments/claims.yml"}
)


@dataclass(frozen=True)
class Scale:
    """A size, opened.

    Attributes:
        config: of `sizes.file`, with absolute paths.
        working: its experimentWorkingDirectory, where supernets are shared with nnictl's experiments.
        candidates: how many a search evaluates.
    """

    name: str
    sizes: Sizes
    config: ProjectConfig
    working: Path
    candidates: int

    def epochs(self, paper: float) -> float:
        """Epochs of a supernet that stand for so many of the paper's."""
        return paper * self.sizes.short_epochs / _SHORT

    def other(self, file: str) -> Scale:
        """The same size on the data of another experiment file."""
        return _opened(self.name, self.sizes, Path(file))


def open_scale(name: str, file: Path | None = None) -> Scale:
    """Open one of `SIZES`.

    Args:
        file: an experiment to start from instead of the size's own.

    Raises:
        InputError: there is no such size, or its experiment cannot be read.
    """
    if name not in SIZES:
        raise InputError(f"--scale: found {name!r}, allowed: {', '.join(SIZES)}")
    return _opened(name, SIZES[name], Path(SIZES[name].file) if file is None else file)


def _opened(name: str, sizes: Sizes, file: Path) -> Scale:
    experiment = open_experiment(file)
    config, trials = experiment.config, experiment.settings.get("maxTrialNumber")
    if not isinstance(trials, int) or trials < 2:
        raise InputError(f"{file}: maxTrialNumber: found {trials!r}, allowed: 2 or more")
    return Scale(name, sizes, config, experiment.working, trials - 1)


def changed(config: ProjectConfig, seed: int, changes: Mapping[str, Any]) -> ProjectConfig:
    """A configuration with other settings, and one seed for supernet, search and training.

    The division of the images keeps its own seed: all runs are measured on the same ones.

    Args:
        changes: dotted names of fields, e.g. {"supernet.sandwich": False}.
    """
    data = config.model_dump(mode="json")
    if "search.max_flops" in changes:
        data["search"]["budgets"] = None  # one budget instead of several
    seeds = {"supernet.recipe.seed", "search.seed", "retrain.seed", "finetune.seed"}
    for field, value in [*dict.fromkeys(seeds, seed).items(), *changes.items()]:
        *path, last = field.split(".")
        section = data
        for part in path:
            section = section[part]
        section[last] = value
    return ProjectConfig.model_validate(data)
