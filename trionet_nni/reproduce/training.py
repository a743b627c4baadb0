"""Networks trained from scratch or from the supernet's weights, and measured on the test images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from numpy.random import RandomState

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.budget import Budget
from trionet_nni.data import load_splits
from trionet_nni.errors import InputError
from trionet_nni.export.settings import RetrainConfig, retrain_config
from trionet_nni.files.atomic import write_json
from trionet_nni.reproduce.jobs import RESULT, Job, SupernetJob, key_of, read_result
from trionet_nni.reproduce.searching import Search, cost_model
from trionet_nni.settings.before import differing
from trionet_nni.settings.plugins import load_table
from trionet_nni.settings.project import ProjectConfig, RecipeConfig

_TOLERANCES = (0.01, 0.02, 0.05, 0.1)  # of the winner's FLOPs


class Origin(ABC):
    """Where the network comes from."""

    @property
    def needs(self) -> tuple[Job, ...]:
        """What has to be done before it is known."""
        return ()

    @property
    @abstractmethod
    def title(self) -> str:
        """What a progress line calls it."""

    @abstractmethod
    def network(self, working: Path) -> Architecture | None:
        """The network, or None as long as it is not known."""


@dataclass(frozen=True)
class Given(Origin):
    """A network that is known from the start, for example a hand-designed one."""

    name: str
    architecture: Architecture

    @property
    def title(self) -> str:
        """The name it was given."""
        return self.name

    def network(self, working: Path) -> Architecture | None:
        """Known from the start, whatever has been run."""
        return self.architecture


@dataclass(frozen=True)
class Winner(Origin):
    """The most accurate network that a search finds within its budget."""

    search: Search

    @property
    def needs(self) -> tuple[Job, ...]:
        """The search: the network is known once it has ended."""
        return (self.search,)

    @property
    def title(self) -> str:
        """Names the search, whose title has budget, switches and seed."""
        return f"winner of {self.search.title}"

    def network(self, working: Path) -> Architecture | None:
        """Read from the search's result; None until the search has ended."""
        found = self.search.result(working)
        return None if found is None else Architecture.from_dict(found["architecture"])


@dataclass(frozen=True)
class RandomLike(Origin):
    """A random network of a winner's FLOPs (Table 3, "Random model"), drawn with the search's seed."""

    search: Search

    @property
    def needs(self) -> tuple[Job, ...]:
        """The search, whose winner says the FLOPs."""
        return (self.search,)

    @property
    def title(self) -> str:
        """Names the search's seed, which the network is drawn with."""
        return f"random network of the winner's FLOPs, seed {self.search.config.search.seed}"

    def network(self, working: Path) -> Architecture | None:
        """A network within 1 % of its FLOPs, or the next wider range that has one."""
        found = self.search.result(working)
        if found is None:
            return None
        config, flops = self.search.config, found["flops"]
        table, cost = load_table(config.space), cost_model(config, working)
        for tolerance in _TOLERANCES:
            random = RandomState(1000 + config.search.seed)
            try:
                low, high = flops * (1 - tolerance), flops * (1 + tolerance)
                return Budget.of(table, cost, low, high).random(random)
            except InputError:
                continue
        raise InputError(f"random network: found none within 10 % of {flops:.4g} FLOPs, allowed: one")


@dataclass(frozen=True)
class Training(Job):
    """One network trained from scratch on the full training set.

    Attributes:
        config: its data and its recipe `retrain`, whose seed is the training's.
    """

    source: Origin
    config: ProjectConfig

    @property
    def title(self) -> str:
        """Names the network's origin and the training's seed."""
        return f"training of {self.source.title}, seed {self.config.retrain.seed}"

    @property
    def needs(self) -> tuple[Job, ...]:
        """What the network's source needs."""
        return self.source.needs

    def folder(self, working: Path, network: Architecture) -> Path:
        """By network, data and recipe; the seed has a folder of its own inside."""
        # Without defaults: a field that is added later leaves the key as it was.
        recipe = self.config.retrain.model_dump(exclude={"seed"}, exclude_defaults=True)
        data = differing("data", self.config.data.model_copy(update={"workers": None}))
        return working / "reproduce" / "networks" / f"{network.hash}-{key_of(data, recipe)[:8]}"

    def result(self, working: Path) -> dict[str, Any] | None:
        """Accuracy on the test images, FLOPs, parameters."""
        network = self.source.network(working)
        if network is None:
            return None
        run = f"retrain-seed{self.config.retrain.seed}"
        found = read_result(self.folder(working, network) / "runs" / run)
        return None if found is None else {**found, **_facts(self.config, working, network)}

    def run(self, working: Path) -> None:
        """Train it, or go on."""
        from trionet_nni.export.retrain import retrain_network

        network = self.source.network(working)
        assert network is not None
        config = retrain_settings(self.config, working)
        retrain_network(
            network,
            config,
            self.folder(working, network),
            name=self.source.title,
            seed=config.retrain.seed,
            progress=False,
        )


@dataclass(frozen=True)
class FromSupernet(Job):
    """A winner with the supernet's weights, measured on the test images.

    Attributes:
        kind: "direct": as they are, BN recalibrated (Table 5); "finetuned": trained on by the recipe
            `finetune` (Table 4).
    """

    source: Winner
    kind: Literal["direct", "finetuned"]

    @property
    def config(self) -> ProjectConfig:
        """The search's configuration: its data, its supernet, its recipe `finetune`."""
        return self.source.search.config

    @property
    def title(self) -> str:
        """Tells the weights as they are from the fine-tuned ones of the same winner."""
        return f"{self.kind} {self.source.title}"

    @property
    def needs(self) -> tuple[Job, ...]:
        """The search, which needs the supernet."""
        return self.source.needs

    def folder(self, working: Path) -> Path:
        """A folder of this kind inside the search's: another search's winner has another."""
        return self.source.search.folder(working) / self.kind

    def result(self, working: Path) -> dict[str, Any] | None:
        """Accuracy on the test images, FLOPs, parameters."""
        network = self.source.network(working)
        found = read_result(self.folder(working))
        if network is None or found is None:
            return None
        return {**found, **_facts(self.config, working, network)}

    def run(self, working: Path) -> None:
        """Measure, after training where that is asked for."""
        network = self.source.network(working)
        assert network is not None
        folder, supernet = self.folder(working), SupernetJob(self.config).folder(working)
        measure = _direct if self.kind == "direct" else _finetuned
        write_json(folder / RESULT, measure(self.config, supernet, network, working, folder))


def _direct(
    config: ProjectConfig, supernet: Path, network: Architecture, working: Path, folder: Path
) -> dict[str, Any]:
    from trionet_nni.supernet.evaluator import subnetwork
    from trionet_nni.training.evaluate import accuracy
    from trionet_nni.training.recalibrate import recalibrate

    splits = load_splits(config.data, working / "cache")
    ready = subnetwork(config, supernet, network, splits)
    recalibrate(ready, splits.recalibration)
    return {"accuracy": accuracy(ready, splits.test), "images": len(splits.test)}


def _finetuned(
    config: ProjectConfig, supernet: Path, network: Architecture, working: Path, folder: Path
) -> dict[str, Any]:
    from trionet_nni.export.network import write_network
    from trionet_nni.export.retrain import finetune

    export, settings = folder / "network", retrain_settings(config, working)
    splits = load_splits(config.data, working / "cache")
    write_network(export, network, config, settings, supernet, splits, origin={"from": "trionet reproduce"})
    return finetune(export, progress=False)


def retrain_settings(config: ProjectConfig, working: Path) -> RetrainConfig:
    """What a folder retrains with: the experiment's recipes, and its cache of decoded images."""
    return retrain_config(config).model_copy(update={"cache": str((working / "cache").resolve())})


def _facts(config: ProjectConfig, working: Path, network: Architecture) -> dict[str, Any]:
    cost = cost_model(config, working)(network)
    which = {"hash": network.hash, "operators": network.operators}
    return {**which, "flops": cost.flops, "params": cost.params}


def with_recipe(config: ProjectConfig, **changes: Any) -> ProjectConfig:
    """The same configuration with another recipe for training from scratch."""
    recipe = RecipeConfig.model_validate(config.retrain.model_dump() | changes)
    return config.model_copy(update={"retrain": recipe})
