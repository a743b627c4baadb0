"""What a host needs for the trials of a search: code, supernet, images, settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from trionet_nni.data import Splits, load_splits
from trionet_nni.data.scoring_images import ScoringImages, write_scoring_images
from trionet_nni.data.training_images import write_training_images
from trionet_nni.errors import InputError
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.experiment.open import Run
from trionet_nni.settings.project import ProjectConfig
from trionet_nni.supernet.folder import COMPLETE, WEIGHTS

_PART = 1 << 20  # bytes read at a time
_LIBRARY = Path(__file__).parents[2]
_SKIPPED = {".pyc", ".lock", ".failed"}  # what was made on this machine, for this machine


@dataclass(frozen=True)
class Content:
    """A file as it travels.

    Attributes:
        digest: SHA-256 of its content, by which a host knows whether it has it.
        size: bytes.
    """

    path: Path
    digest: str
    size: int


@dataclass(frozen=True)
class Parcel:
    """Everything, by its name in the host's folder of the experiment, `<experiment>/trionet`.

    Attributes:
        texts: small files, where FOLDER is that folder's path on the host.
    """

    files: dict[str, Content]
    texts: dict[str, str]

    @property
    def size(self) -> int:
        """Bytes of the files, each content counted once."""
        return sum({content.digest: content.size for content in self.files.values()}.values())


def parcel_of(run: Run, code: Path) -> Parcel:
    """All that the hosts of a run need.

    Args:
        code: `tuner.codeDirectory`.

    Raises:
        InputError: an image cannot be read, or a plug-in is not in `code`.
    """
    paths = dict(_code_files(run.config, code))
    paths |= {f"supernet/{name}": run.supernet / name for name in (WEIGHTS, COMPLETE)}
    paths[run.folder.images.name] = scoring_images(run.config, run.folder)
    if run.config.search.finalists is not None:
        paths[run.folder.training_images.name] = training_images(run.config, run.folder)
    project = run.config.model_dump(mode="json")
    project["search"]["budget"] = None  # the search has looked at it; its table of latencies stays here
    texts = {
        "project.json": json.dumps(project),
        "cost.json": run.folder.cost.read_text(encoding="utf-8"),
        "code.txt": "FOLDER/code\n",
        "supernet.json": json.dumps({"directory": "FOLDER/supernet", "hash": run.config.supernet_hash()}),
    }
    texts |= {
        f"evaluations/{path.name}": path.read_text(encoding="utf-8") for path in run.results.paths()
    }  # of before: nothing is evaluated twice
    return Parcel({name: _content(path) for name, path in paths.items()}, texts)


def scoring_images(config: ProjectConfig, folder: ExperimentFolder) -> Path:
    """The file of the images that score candidates, in the cache; it is written where it is missing.

    Raises:
        InputError: an image cannot be read.
    """
    splits = load_splits(config.data, folder.cache)
    path = _cached("scoring", config, splits, folder)
    if not path.exists():
        write_scoring_images(ScoringImages.of(splits), path)
    return path


def training_images(config: ProjectConfig, folder: ExperimentFolder) -> Path:
    """The file of the images that finalists are trained on, likewise.

    Raises:
        InputError: they are too large to be held in memory.
    """
    splits = load_splits(config.data, folder.cache)
    path = _cached("training", config, splits, folder)
    if not path.exists():
        write_training_images(splits, path)
    return path


def _cached(what: str, config: ProjectConfig, splits: Splits, folder: ExperimentFolder) -> Path:
    known = json.dumps([splits.record, config.data.model_dump(mode="json")], sort_keys=True)
    return folder.cache / f"{what}-{hashlib.sha256(known.encode()).hexdigest()[:16]}.safetensors"


def _code_files(config: ProjectConfig, code: Path) -> Iterator[tuple[str, Path]]:
    """This library, and the packages of `code` that the settings name."""
    modules = {
        config.space: "space",
        config.supernet.strategy: "supernet.strategy",
        config.supernet.sharing: "supernet.sharing",
        config.supernet.sampling: "supernet.sampling",
    }
    yield from _package(_LIBRARY)
    sent = {_LIBRARY.name}
    for module, field in modules.items():
        name = module.partition(".")[0]
        if name in sent:
            continue
        sent.add(name)
        if (code / name).is_dir():
            yield from _package(code / name)
        elif (code / f"{name}.py").is_file():
            yield f"code/{name}.py", code / f"{name}.py"
        elif find_spec(name) is None:
            raise InputError(f"{field}: found {module}, allowed: a module of {code}, which hosts are sent")


def _package(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in _SKIPPED and not path.name.startswith("."):
            yield f"code/{folder.name}/{path.relative_to(folder).as_posix()}", path


def _content(path: Path) -> Content:
    found, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while part := file.read(_PART):
            found.update(part)
            size += len(part)
    return Content(path, found.hexdigest(), size)
