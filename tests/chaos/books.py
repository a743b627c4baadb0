"""What two commands at once have left behind: whole files, nothing of the one in what is the other's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.data import load_splits
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.experiment.open import open_run
from trionet_nni.export.card import read_card
from trionet_nni.export.load import load
from trionet_nni.export.record import measure
from trionet_nni.export.settings import NAME, read_config
from trionet_nni.export.weights import FILES, RESULTS
from trionet_nni.segmentation.file import read_config as read_run
from trionet_nni.segmentation.folder import RunFolder
from trionet_nni.segmentation.train import fingerprint
from trionet_nni.supernet.curve import Curve
from trionet_nni.supernet.folder import is_complete
from trionet_nni.training.checkpoints import NAME as CHECKPOINT
from trionet_nni.training.checkpoints import read_checkpoint

if TYPE_CHECKING:
    from tests.chaos.pairs import Pair

_NNIS = {"environments", "log", "checkpoint", "db", "home"}  # folders of NNI's own files
_READERS: dict[str, Callable[[Path], object]] = {
    ".json": lambda path: json.loads(path.read_text()),
    ".safetensors": load_file,
    ".ckpt": read_checkpoint,
    ".jsonl": lambda path: [json.loads(line) for line in path.read_text().splitlines()],
}
CANDIDATES = 3  # of each search


@dataclass(frozen=True)
class Ended:
    """A command that is over."""

    status: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """What it says of its failure."""
        lines = [line for line in self.err.splitlines() if line.startswith("trionet: ")]
        return lines[-1] if lines else (self.out.strip().splitlines() or ["nothing"])[-1]


def problems(here: Path, ended: list[Ended], pair: Pair) -> list[str]:
    """Everything that is wrong; empty where all is well."""
    found = [*_commands(ended), *_files(here)]
    for folder in sorted(path.parent for path in here.rglob("card.json")):
        found += _told(_network, folder)
    for name in pair.exports:
        found += _told(_export, here / name)
    for name in pair.runs:
        found += _told(_segmentation, here / name)
    return [*found, *_searches(here)]


def _commands(ended: list[Ended]) -> Iterator[str]:
    if all(one.status for one in ended):
        yield "no command came to its end"
    for one in ended:
        said = [line for line in one.err.splitlines() if line.startswith("trionet: ")]
        if "Traceback" in one.err + one.out:
            yield f"a traceback: {one.err.strip().splitlines()[-1:]}"
        elif one.status not in (0, 1, 2):
            yield f"status {one.status}: {one.err.strip()[-200:]}"
        elif one.status and len(said) != 1:
            yield f"status {one.status} with {len(said)} lines: {(one.err + one.out).strip()[-300:]!r}"


def _files(here: Path) -> Iterator[str]:
    for path in sorted(here.rglob("*")):
        if not path.is_file() or _NNIS & set(path.relative_to(here).parts):
            continue
        if path.name.endswith(".tmp"):
            yield f"left behind: {path}"
        try:
            _READERS.get(path.suffix, lambda path: None)(path)
        except Exception as error:
            yield f"not whole: {path}: {error}"


def _told(check: Callable[[Path], Iterator[str]], folder: Path) -> list[str]:
    try:
        return [f"{folder}: {line}" for line in check(folder)]
    except Exception as error:
        return [f"{folder}: {type(error).__name__}: {error}"]


def _network(folder: Path) -> Iterator[str]:
    """Card, architecture, weights and results of one folder belong together."""
    card, network = read_card(folder), Architecture.load(folder / "architecture.json")
    if card.architecture != network.hash:
        yield f"the card is of {card.architecture}, the architecture is {network.hash}"
    if (folder / FILES["supernet"]).exists():
        with safe_open(folder / FILES["supernet"], "pt") as file:
            said = (file.metadata() or {}).get("architecture")
        if said is not None and Architecture.from_dict(json.loads(said)) != network:
            yield "the supernet's weights are another network's"
    config = read_config(folder / NAME)
    splits = load_splits(config.data, folder / config.cache)
    for name, file in RESULTS.items():
        if (folder / file).exists() or (folder / FILES[name]).exists():
            result, known = json.loads((folder / file).read_text()), card.trained.get(name)
            yield from _trained(folder, name, result, known.model_dump() if known else {})
            if known and abs(measure(load(folder, name), splits).accuracy - known.accuracy) > 1e-9:
                yield f"{name}: another accuracy than the card says"


def _trained(folder: Path, name: str, result: dict[str, Any], known: dict[str, Any]) -> Iterator[str]:
    """Result, card, weights and the last checkpoint of the run are those of one training."""
    for field in ("accuracy", "seed", "steps"):
        if known.get(field) != result[field]:
            yield f"{name}: {field}: the card says {known.get(field)}, the result {result[field]}"
    runs = folder.glob(f"runs/{result['kind']}-seed{result['seed']}*/{CHECKPOINT}")
    weights = load_file(folder / FILES[name])
    if not any(_same(weights, read_checkpoint(path)["state_dict"]) for path in runs):
        yield f"{name}: the weights are those of no checkpoint of seed {result['seed']}"


def _same(weights: dict[str, torch.Tensor], state: dict[str, torch.Tensor]) -> bool:
    own = {key.partition(".")[2]: value for key, value in state.items()}
    return all(key in own and torch.equal(value, own[key]) for key, value in weights.items())


def _export(out: Path) -> Iterator[str]:
    """All networks of a folder are of one experiment, each at its place."""
    cards = {path.name: read_card(path) for path in out.iterdir() if path.name in ("1", "2", "3")}
    if not cards:
        yield "nothing was exported"
    if len({card.origin["experiment"] for card in cards.values()}) > 1:
        yield f"of several experiments: {[card.origin['experiment'] for card in cards.values()]}"
    for name, card in cards.items():
        if card.origin["rank"] != name:
            yield f"{name} says that it is number {card.origin['rank']}"


def _segmentation(run: Path) -> Iterator[str]:
    """Settings, checkpoint, weights and result are those of one run."""
    folder, config = RunFolder(run), read_run(run / "segment.yml")
    task = folder.open(data=True)
    checkpoint = read_checkpoint(run / CHECKPOINT)
    if checkpoint["fingerprint"] != fingerprint(config, task):
        yield "the checkpoint is of other settings than segment.yml"
    if not _same(load_file(folder.weights), checkpoint["state_dict"]):
        yield "the weights are not the checkpoint's"


def _searches(here: Path) -> Iterator[str]:
    """One experiment a file, each with all its results; one supernet for all of them, trained once."""
    runs = here / "searches"
    folders = [
        ExperimentFolder(path.parent) for path in runs.glob("*/trionet") if not path.parent.is_symlink()
    ]
    for files in folders:
        run = open_run(files)
        if len(run.results) != CANDIDATES:
            yield f"{files.root}: {len(run.results)} results"
        if not is_complete(run.supernet, run.config.supernet_hash()):
            yield f"{files.root}: no supernet"
    marks = [files.search.read_text() for files in folders]
    if len(set(marks)) < len(marks):
        yield f"{len(marks)} experiments of {len(set(marks))} files"
    supernets = [path for path in runs.glob("supernets/*") if path.is_dir()]
    if runs.exists() and len(supernets) != 1:
        yield f"{len(supernets)} supernets"
    for path in supernets:
        lines = (path / "curve.jsonl").read_text().splitlines()
        if len(lines) != len(Curve(path / "curve.jsonl").points()):
            yield f"{path}: a step was trained twice"
