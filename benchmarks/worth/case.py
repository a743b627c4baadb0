"""The data sets of the comparison: images, space, cost, recipes. Whoever changes one has other units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from trionet_nni.architecture.cost import CostModel
from trionet_nni.architecture.table import SpaceTable
from trionet_nni.data import Splits, load_splits
from trionet_nni.settings.before import without_former
from trionet_nni.settings.plugins import load_table
from trionet_nni.settings.project import DataConfig, RecipeConfig

ROOT = Path(__file__).resolve().parents[2]
CIFAR = ROOT / "datasets" / "worth-cifar10"  # see `pictures`
CACHE = ROOT / "runs" / "worth" / "cache"
SEEDS = (0, 1, 2)  # each one supernet, one search and so on; see `Case.searches` for more


@dataclass(frozen=True)
class Case:
    """One data set with everything that is kept equal on it.

    Attributes:
        title: for tables.
        data: how the images are divided; of the search images nothing is trained but the last trainings.
        flops: F, the cost of the comparison at equal cost, 2 × multiply-accumulates of one image.
        training: the recipe of every training from scratch, but for its seed.
        supernet: likewise of the supernet.
        candidates: of one search.
        repeats: trainings of each network for each seed of `SEEDS`.
        further: searches beyond `SEEDS`, each with one training of what it found, of what Optuna found and
            of the stand-alone networks; the other rivals are not trained for them.
        costs: CPU seconds a unit of each kind takes, measured on one core; for estimates alone.
    """

    name: str
    title: str
    space: str
    data: DataConfig
    flops: float
    training: RecipeConfig
    supernet: RecipeConfig
    candidates: int
    repeats: int
    costs: tuple[tuple[str, float], ...]
    further: int = 0

    @property
    def band(self) -> tuple[float, float]:
        """F ± 2 %: what a network of the comparison at equal cost has."""
        return 0.98 * self.flops, 1.02 * self.flops

    @property
    def table(self) -> SpaceTable:
        """The search space."""
        return load_table(self.space)

    @property
    def cost(self) -> CostModel:
        """What a network costs on these images."""
        return CostModel(10, 1 if self.data.name == "digits" else 3, self.data.image_size)

    @property
    def training_seeds(self) -> tuple[int, ...]:
        """Seeds of the last trainings; for which search each is, says `search_of`."""
        return tuple(range(len(SEEDS) * self.repeats + self.further))

    @property
    def searches(self) -> tuple[int, ...]:
        """Seeds of supernets and searches."""
        return tuple(range(len(SEEDS) + self.further))

    def search_of(self, seed: int) -> int:
        """The seed of the comparison that a training's belongs to, so that its values stay independent.

        Seed t trains for search t mod 3; beyond the repeats of those three each is of a search of its own.
        """
        repeated = len(SEEDS) * self.repeats
        return seed % len(SEEDS) if seed < repeated else len(SEEDS) + seed - repeated

    @property
    def conditions(self) -> dict[str, Any]:
        """What every unit of this case is made from; without folders, which differ between machines."""
        # How results have been made from the start: a division that has a name now.
        data = self.data.model_dump(exclude={"root", "workers"}, exclude_defaults=True)
        data = without_former("data", data)
        return {"space": self.space, "data": data}

    def splits(self) -> Splits:
        """The images; they are decoded once and kept for the process.

        Raises:
            InputError: they are not there; `pictures` says how they come.
        """
        return _splits(self.data)


@cache
def _splits(data: DataConfig) -> Splits:
    return load_splits(data, CACHE)


# The last trainings use all images but those of the test: 750 digits, 10,000 of CIFAR-10.
_DIGITS = Case(
    name="digits",
    title="digits, 750 training images",
    space="spaces.tiny",
    data=DataConfig(
        name="digits",
        image_size=28,
        test_fraction=0.85,
        search_images=250,
        recalibration_images=2,
        recalibration="held-out",
    ),
    flops=4.76e6,
    training=RecipeConfig(
        steps=750, batch_size=32, learning_rate=0.1, warmup_epochs=1, augment="shift", precision="32-true"
    ),
    supernet=RecipeConfig(
        steps=3_500,
        batch_size=32,
        learning_rate=0.05,
        warmup_epochs=3,
        augment="shift",
        precision="32-true",
    ),
    candidates=150,
    repeats=3,
    further=3,
    costs=(("training", 18), ("supernet", 300), ("search", 25), ("finalists", 120), ("study", 450)),
)
_CIFAR = Case(
    name="cifar10-16",
    title="CIFAR-10 at 16 pixels, 10,000 training images",
    space="spaces.tiny",
    data=DataConfig(
        name="folder",
        root=str(CIFAR),
        image_size=16,
        search_images=1_000,
        recalibration_images=2,
        recalibration="held-out",
    ),
    flops=1.486e6,
    training=RecipeConfig(
        steps=2_340,  # 15 epochs
        batch_size=64,
        learning_rate=0.1,
        warmup_epochs=0.5,
        augment="shift-flip",
        precision="32-true",
    ),
    supernet=RecipeConfig(
        steps=5_000,
        batch_size=64,
        learning_rate=0.05,
        warmup_epochs=0.5,
        augment="shift-flip",
        precision="32-true",
    ),
    candidates=150,
    repeats=3,
    further=3,
    costs=(("training", 50), ("supernet", 450), ("search", 40), ("finalists", 300), ("study", 800)),
)
_CIFAR_32 = replace(
    _CIFAR,
    name="cifar10-32",
    title="CIFAR-10 at 32 pixels, 10,000 training images",
    data=_CIFAR.data.model_copy(update={"image_size": 32}),
    flops=5.94e6,  # four times the pixels
    supernet=_CIFAR.supernet.model_copy(update={"steps": 4_000}),
    further=2,
    costs=(("training", 65), ("supernet", 520), ("search", 30), ("finalists", 900), ("study", 1_500)),
)
CASES = {case.name: case for case in (_DIGITS, _CIFAR, _CIFAR_32)}
