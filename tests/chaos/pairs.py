"""The pairs of commands that are run at once, and the small real experiments that they work on."""

from __future__ import annotations

import json
import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.helpers.checkout import ROOT
from tests.helpers.panoptic_folder import NETWORK, RUN, write_folder
from tests.helpers.tiny import CACHE, digit_folder
from tests.helpers.tiny_experiment import AXIAL, CONV, LOCAL, finished, project
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.export.best import export
from trionet_nni.files.atomic import write_json
from trionet_nni.supernet.evaluator import evaluate
from trionet_nni.supernet.results import ResultsStore

_TRIONET = (sys.executable, "-m", "trionet_nni.cli")
_LONG = "--set=retrain.epochs=25"  # a training of some seconds: there is something to come in between
_OTHERS = ([[AXIAL], [CONV], [LOCAL]], [[LOCAL], [LOCAL], [AXIAL, AXIAL]], [[AXIAL]] * 3)


@dataclass(frozen=True)
class Pair:
    """Commands that are run at once.

    Attributes:
        commands: of a folder that `prepared` gave, by chance.
        seconds: the second one begins up to so much later.
        exports: folders of exports, each of one experiment when all is over.
        runs: folders of segmentation runs.
        supernets: how many there have to be afterwards.
    """

    commands: Callable[[Path, random.Random], list[list[str]]]
    seconds: float = 8.0
    exports: tuple[str, ...] = ("out",)
    runs: tuple[str, ...] = ()
    supernets: int = 1


def _trionet(*words: object) -> list[str]:
    return [*_TRIONET, *map(str, words)]


def _searches_of_one_file(here: Path, dice: random.Random) -> list[list[str]]:
    return [_trionet("search", here / "first.yml", "-o", here / "found", "--top", "2")] * 2


def _experiments_with_one_supernet(here: Path, dice: random.Random) -> list[list[str]]:
    files = ("first", "second")
    return [_trionet("search", here / f"{name}.yml", "-o", here / name, "--top", "2") for name in files]


def _exports(here: Path, dice: random.Random) -> list[list[str]]:
    runs = [here / "runs" / name for name in ("tiny0001", "tiny0002")]
    dice.shuffle(runs)
    return [_trionet("export", run, "-o", here / "out", "--top", "3") for run in runs]


def _retrain_and_export(here: Path, dice: random.Random) -> list[list[str]]:
    retrain = _trionet("retrain", here / "out" / "1", "-q", _LONG)
    name = dice.choice(("tiny0001", "tiny0002"))
    export_ = _trionet("export", here / "runs" / name, "-o", here / "out", "--top", "3")
    return [retrain, export_] if dice.random() < 0.7 else [export_, retrain]


def _retrain_twice(here: Path, dice: random.Random) -> list[list[str]]:
    seeds = ("3", dice.choice(("3", "4")))
    return [_trionet("retrain", here / "out" / "1", "-q", _LONG, "--seed", seed) for seed in seeds]


def _retrain_with_other_settings(here: Path, dice: random.Random) -> list[list[str]]:
    settings = ("epochs=25", "learning_rate=0.01")
    return [_trionet("retrain", here / "out" / "1", "-q", f"--set=retrain.{one}") for one in settings]


def _retrain_and_finetune(here: Path, dice: random.Random) -> list[list[str]]:
    folder, longer = here / "out" / "2", "--set=finetune.epochs=20"
    return [_trionet("retrain", folder, "-q", _LONG), _trionet("finetune", folder, "-q", longer)]


def _two_networks_in_one_folder(here: Path, dice: random.Random) -> list[list[str]]:
    options = ("--experiment", here / "first.yml", "-o", here / "out" / "9", "-q", _LONG)
    return [_trionet("retrain", "--architecture", here / f"{n}.json", *options) for n in (1, 2)]


def _transfers(here: Path, dice: random.Random) -> list[list[str]]:
    options = ("--data", digit_folder(), "-o", here / "out" / "8", "-q", "--set=finetune.epochs=20")
    sources = ("1", dice.choice(("1", "2")))
    return [_trionet("finetune", here / "out" / one, *options) for one in sources]


def _supernets(here: Path, dice: random.Random) -> list[list[str]]:
    return [_trionet("supernet", here / "first.yml")] * 2


def _segmentations(here: Path, dice: random.Random) -> list[list[str]]:
    seeds = ("0", dice.choice(("0", "1")))
    options = ("-o", here / "run", "-q", "--set=recipe.iterations=12")
    return [_trionet("segment", "train", here / "tiny.yml", *options, "--seed", one) for one in seeds]


PAIRS = {
    "two exports into one folder": Pair(_exports, 4),
    "retrain and export, one folder": Pair(_retrain_and_export),
    "two searches of one file": Pair(_searches_of_one_file, 40, ("found",)),
    "two retrains of one folder": Pair(_retrain_twice),
    "two retrains with other settings": Pair(_retrain_with_other_settings),
    "two networks retrained into one folder": Pair(_two_networks_in_one_folder),
    "two experiments that share a supernet": Pair(
        _experiments_with_one_supernet, 20, ("out", "first", "second")
    ),
    "retrain and finetune of one folder": Pair(_retrain_and_finetune),
    "two transfers into one folder": Pair(_transfers),
    "two trainings of one supernet": Pair(_supernets, 6),
    "two segmentations into one folder": Pair(_segmentations, 6, (), ("run",)),
}


def prepared(base: Path) -> Path:
    """Two finished experiments of one supernet, the first exported; two search files, a panoptic run."""
    runs = base / "runs"
    shutil.copytree(finished().working_directory, runs)
    shutil.copytree(CACHE, base / "out" / ".cache")
    (base / "home").mkdir()
    first, second = (_experiment(runs, name) for name in ("tiny0001", "tiny0002"))
    _evaluate_others(second)
    export(first.root, 3, base / "out")
    for name, seed in (("first", 1), ("second", 2)):
        (base / f"{name}.yml").write_text(yaml.safe_dump(_search(base, seed)))
    for number, stages in enumerate(_OTHERS[:2], 1):
        write_json(base / f"{number}.json", {"space": "trionet-small", "stages": stages})
    (base / "data").mkdir()
    write_folder(base / "data")
    write_json(base / "network.json", NETWORK)
    (base / "tiny.yml").write_text(RUN)
    return base


def _experiment(runs: Path, name: str) -> ExperimentFolder:
    """The finished experiment under another name, with its supernet where it now is."""
    files, config = ExperimentFolder(runs / name), project()
    if not files.root.exists():
        shutil.copytree(runs / "tiny0001", files.root)
    directory = files.supernet_directory(config.supernet_hash())
    write_json(files.supernet, {"directory": str(directory), "hash": config.supernet_hash()})
    return files


def _evaluate_others(files: ExperimentFolder) -> None:
    config = project()
    shutil.rmtree(files.evaluations)
    store = ResultsStore(files.evaluations, config.search.metric)
    for stages in _OTHERS:
        network = Architecture.from_dict({"space": "trionet-small", "stages": stages})
        directory = json.loads(files.supernet.read_text())["directory"]
        store.add(evaluate(config, Path(directory), network, files.cache))


def _search(base: Path, seed: int) -> dict[str, object]:
    """The file of a search of three candidates; its supernet is another one than the finished ones'."""
    arguments = project().model_dump(mode="json", exclude_unset=True)
    arguments["supernet"]["recipe"] |= {"epochs": 4, "seed": 5}
    arguments["search"] = {"max_flops": 1e9, "band": 0, "seed": seed, "population": 2, "parents": 1}
    return {
        "experimentName": "together",
        "searchSpace": {},
        "trialCommand": "python3 -m trionet_nni.nnictl.trial",
        "trialCodeDirectory": str(ROOT),
        "trialConcurrency": 1,
        "maxTrialNumber": 4,
        "experimentWorkingDirectory": "searches",  # beside the file
        "trainingService": {"platform": "local"},
        "tuner": {
            "codeDirectory": str(ROOT),
            "className": "trionet_nni.nnictl.advisor.TrioNetAdvisor",
            "classArgs": arguments,
        },
    }
