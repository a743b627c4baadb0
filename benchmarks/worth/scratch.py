"""Training one network from scratch, and measuring it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from benchmarks.worth.case import Case
from benchmarks.worth.measure import measure
from benchmarks.worth.meter import Meter
from benchmarks.worth.source import Source
from benchmarks.worth.unit import Bench, Unit, as_long
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.network.trionet import TrioNet
from trionet_nni.settings.project import RecipeConfig
from trionet_nni.training.initial import initial_network

_CHECKPOINT_MINUTES = 0.5
Role = Literal["final", "pilot"]


@dataclass(frozen=True)
class Training(Unit):
    """A network trained from scratch by the case's recipe.

    Attributes:
        role: "final": on all training images, measured on the test images. "pilot": without the search
            images, measured on those; what is chosen by a pilot has not been chosen by the test images.
        times: the length of the training ÷ the recipe's.
    """

    case: Case
    source: Source
    seed: int
    role: Role = "final"
    times: float = 1.0

    kind: ClassVar[str] = "training"

    @property
    def title(self) -> str:
        """Network, role and seed."""
        what = f"{self.role} training of {self.source.title}{as_long(self.times)}"
        return f"{self.case.name}: {what}, seed {self.seed}"

    @property
    def needs(self) -> tuple[Unit, ...]:
        """What its network comes from."""
        return self.source.needs

    @property
    def recipe(self) -> RecipeConfig:
        """The case's, with this seed and length."""
        recipe = self.case.training
        steps = round((recipe.steps or 0) * self.times)
        return recipe.model_copy(update={"seed": self.seed, "steps": steps})

    @property
    def conditions(self) -> dict[str, Any]:
        """Network, images and recipe."""
        recipe = self.recipe.model_dump(exclude_defaults=True)
        return {"network": self.source.key, "images": self.role, "seed": self.seed, "recipe": recipe}

    @property
    def estimate(self) -> float:
        """In proportion to the length."""
        return super().estimate * self.times

    def compute(self, bench: Bench, meter: Meter) -> dict[str, Any]:
        """Train it, or go on from its checkpoint."""
        network = self.source.network(bench)
        trained, run = self._trained(network, bench)
        splits, cost = self.case.splits(), self.case.cost(network)
        facts = {"network": network.to_dict(), "operators": network.operators}
        found = measure(trained, splits.test if self.role == "final" else splits.search)
        return {**facts, "flops": cost.flops, "params": cost.params, "steps": run["steps"], **found}

    def _trained(self, network: Architecture, bench: Bench) -> tuple[TrioNet, dict[str, Any]]:
        from trionet_nni.training.fit import fit

        splits = self.case.splits()
        static = initial_network(network, self.recipe, self.case.cost)
        images = splits.full_train if self.role == "final" else splits.train
        run = fit(
            static,
            self.recipe,
            images,
            bench.work(self),
            classes=splits.classes,
            title=self.title,
            progress=False,
            checkpoint_minutes=_CHECKPOINT_MINUTES,
            workers=0,
        )
        return static, run
