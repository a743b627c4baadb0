"""A finished experiment in miniature: a real supernet after one step of training, and its evaluations."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from strategies.one_shot import train_supernet
from tests.helpers.checkout import ROOT
from tests.helpers.made_once import made_once
from tests.helpers.tiny import CACHE, RECIPE, digit_folder, folder_config
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.export.best import ExportedRow, export
from trionet_nni.files.atomic import write_json, write_text
from trionet_nni.settings.project import ProjectConfig, SearchConfig, SupernetConfig
from trionet_nni.supernet.evaluator import evaluate
from trionet_nni.supernet.results import ResultsStore

_NAME = "tiny0001"
CONV = {"operator": "conv", "expansion": 0.25, "kernel": 5}
LOCAL = {"operator": "local", "expansion": 0.5, "kernel": 5, "qk": 0.5, "v": 0.5, "heads": 4}
AXIAL = {"operator": "axial", "expansion": 0.25, "qk": 1.0, "v": 0.5, "heads": 4}
CANDIDATES = [
    Architecture.from_dict({"space": "trionet-small", "stages": stages})
    for stages in ([[CONV, AXIAL], [LOCAL], [AXIAL, LOCAL]], [[LOCAL], [AXIAL], [CONV]], [[CONV]] * 3)
]


def project() -> ProjectConfig:
    """Its configuration."""
    recipe = RECIPE.model_copy(update={"epochs": 0.25, "warmup_epochs": 0.0, "dropout": 0.0})
    return ProjectConfig(
        space="spaces.small",
        data=folder_config(digit_folder()),
        supernet=SupernetConfig(recipe=recipe, curve_points=1),
        search=SearchConfig(max_flops=1e9, band=0, seed=7),
        retrain=RECIPE,
        finetune=RECIPE.model_copy(update={"epochs": 1, "warmup_epochs": 0.0, "learning_rate": 0.01}),
    )


@cache
def finished() -> ExperimentFolder:
    """The experiment's folder, as the bridge leaves it behind; not to be written to."""
    return ExperimentFolder(made_once("runs", _run) / _NAME)


def _run(runs: Path) -> None:
    config, files = project(), ExperimentFolder(runs / _NAME)
    supernet = files.supernet_directory(config.supernet_hash())
    train_supernet(config, supernet, lambda _: None, cache=files.cache)
    store = ResultsStore(files.evaluations, config.search.metric)
    for architecture in CANDIDATES:
        store.add(evaluate(config, supernet, architecture, files.cache))
    write_json(files.project, config.model_dump(mode="json"))
    write_json(files.supernet, {"directory": str(supernet), "hash": config.supernet_hash()})
    write_text(files.code, f"{ROOT}\n")


@cache
def exported() -> list[ExportedRow]:
    """Its networks as exported folders, the best first; not to be written to."""
    return export(finished().root, 5, CACHE.parent / "out")
