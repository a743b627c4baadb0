"""What hostile inputs are made from, all of it right: experiments, pictures, networks, a supernet."""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image
from torch import Tensor

from tests.helpers.checkout import ROOT
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.operators.axial import Axial
from trionet_nni.operators.conv import Conv
from trionet_nni.operators.local import Local

_FOLDER = tempfile.TemporaryDirectory(prefix="trionet-hostile-")
HOME = Path(_FOLDER.name)
SIDE = 16
ARCHITECTURE = Architecture(
    "trionet-tiny", ((Conv(0.25, 3),), (Local(0.5, 3, 0.5, 0.5, 4), Axial(0.25, 1.0, 1.0, 4)))
)
DELETE = object()


@cache
def pictures() -> Path:
    """`<class>/<number>.png`: two classes of 12 pictures of noise; not to be written to."""
    random = np.random.default_rng(0)
    for name in ("ant", "bee"):
        (HOME / "pictures" / name).mkdir(parents=True)
        for number in range(12):
            pixels = random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(HOME / "pictures" / name / f"{number:02}.png")
    return HOME / "pictures"


def own_pictures(folder: Path) -> Path:
    """A copy to be spoilt."""
    return Path(shutil.copytree(pictures(), folder / "pictures"))


@cache
def _settings() -> dict[str, Any]:
    recipe = {"steps": 10, "batch_size": 4, "warmup_epochs": 0, "augment": "shift"}
    arguments = {
        "space": "spaces.tiny",
        "data": {
            **{"name": "folder", "root": str(pictures()), "image_size": SIDE},
            **{"search_images": 4, "recalibration_images": 4},
        },
        "supernet": {"recipe": dict(recipe)},
        "search": {"max_flops": 1.0e9, "band": 0, "population": 4, "parents": 2},
        "retrain": dict(recipe),
        "finetune": dict(recipe),
    }
    return {
        "experimentName": "hostile",
        "searchSpace": {},
        "trialCommand": "python3 -m trionet_nni.nnictl.trial",
        "trialCodeDirectory": str(ROOT),
        "trialConcurrency": 1,
        "maxTrialNumber": 5,
        "experimentWorkingDirectory": "runs",
        "trainingService": {"platform": "local"},
        "tuner": {
            "codeDirectory": str(ROOT),
            "className": "trionet_nni.nnictl.advisor.TrioNetAdvisor",
            "classArgs": arguments,
        },
    }


def experiment(*changes: tuple[str, Any]) -> dict[str, Any]:
    """The settings of an experiment that can be run, but for the changes: (path of the field, value)."""
    return changed(_settings(), *changes)


def changed(document: Any, *changes: tuple[str, Any]) -> Any:
    """A copy with other values; `DELETE` takes a field away."""
    document = copy.deepcopy(document)
    for path, value in changes:
        place, *names = document, *path.split(".")
        for name in names[:-1]:
            place = place[int(name) if isinstance(place, list) else name]
        last = int(names[-1]) if isinstance(place, list) else names[-1]
        if value is DELETE:
            del place[last]
        else:
            place[last] = value
    return document


def write_yaml(path: Path, document: object) -> Path:
    """Anchors are left out: an equal part is written again."""

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    path.write_text(yaml.dump(document, Dumper=Plain, sort_keys=False), encoding="utf-8")
    return path


def write_json(path: Path, document: object) -> Path:
    """NaN and infinity as Python writes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@cache
def _exported() -> Path:
    from trionet_nni.data import load_splits
    from trionet_nni.export.card import make_card
    from trionet_nni.export.card_text import write_card
    from trionet_nni.export.folder import write_folder
    from trionet_nni.export.settings import retrain_config
    from trionet_nni.files.atomic import write_tensors
    from trionet_nni.network.trionet import TrioNet
    from trionet_nni.settings.project import ProjectConfig

    config = ProjectConfig.model_validate(experiment()["tuner"]["classArgs"])
    splits = load_splits(config.data, HOME / ".cache")
    network = TrioNet(ARCHITECTURE, classes=2, channels=3, image_size=SIDE)
    folder = HOME / "exported"
    write_folder(folder, ARCHITECTURE, retrain_config(config))
    write_tensors(folder / "weights.safetensors", network.state_dict())
    write_card(folder, make_card("tiny", ARCHITECTURE, splits, seeds={"data": 0}), ARCHITECTURE)
    return folder


def exported(folder: Path) -> Path:
    """A copy of an exported network's folder, to be spoilt."""
    return Path(shutil.copytree(_exported(), folder / "network"))


@cache
def supernet() -> dict[str, Tensor]:
    """What a supernet of the tiny space could have learnt; not to be written to."""
    from spaces.tiny import TABLE
    from trionet_nni.supernet.stored import supernet_kinds

    wanted = supernet_kinds(TABLE, 2, 3, SIDE)
    return {name: torch.ones(shape, dtype=dtype) for name, (shape, dtype) in wanted.items()}


def finished(folder: Path) -> Path:
    """The folder of a finished experiment, to be spoilt."""
    from safetensors.torch import save_file

    from trionet_nni.settings.project import ProjectConfig

    config = ProjectConfig.model_validate(experiment()["tuner"]["classArgs"])
    home, weights = folder / "runs" / "abc" / "trionet", folder / "weights"
    weights.mkdir()
    save_file(supernet(), weights / "supernet.safetensors")
    write_json(home / "project.json", config.model_dump(mode="json"))
    write_json(home / "supernet.json", {"directory": str(weights), "hash": config.supernet_hash()})
    write_json(home / "cost.json", {"classes": 2, "channels": 3, "image_size": SIDE})
    write_json(home / "evaluations" / f"{ARCHITECTURE.hash}.json", evaluation())
    (home / "code.txt").write_text(f"{ROOT}\n")
    return home.parent


def evaluation() -> dict[str, Any]:
    """A stored result."""
    from trionet_nni.supernet.results import Evaluation

    return Evaluation(ARCHITECTURE, 0.5, 4, 1000, 100, 0.1, 0.7).to_dict()
