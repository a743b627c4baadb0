"""Folders that others wrote: exported networks, experiments with their results, checkpoints of a run."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch

from tests.hostile.bench import DELETE, HOME, changed, evaluation, exported, finished, write_json
from tests.hostile.case import Case, says
from tests.hostile.payloads import opens_canary
from trionet_nni.cli import main

_EXPORT, _RESULTS, _CHECKPOINT = "exported network's folder", "experiment's folder", "checkpoint"


def _file(
    name: str,
    file: str,
    content: Callable[[Path, str], str | bytes | None],
    *line: str,
    command: str = "retrain",
) -> Case:
    """A file of the folder, written anew from what it was; None takes it away."""

    def run(folder: Path) -> int:
        path = exported(folder) / file
        new = content(folder, path.read_text(errors="replace"))
        path.unlink()
        if new is not None:
            path.write_bytes(new.encode() if isinstance(new, str) else new)
        return main([command, str(path.parent)])

    return Case(_EXPORT, name, f"trionet {command}", run, says(f"{file}: ", *line))


EXPORTS = (
    _file(
        "a card of another network",
        "architecture.json",
        lambda _, text: text.replace('"kernel": 3', '"kernel": 5', 1),
        "found ",
        "as in card.json",
    ),
    _file(
        "a card that is a pickle payload",
        "card.json",
        lambda folder, _: pickle.dumps(opens_canary(folder), 0),
        "found no readable JSON",
    ),
    _file(
        "a card that nests",
        "card.json",
        lambda *_: "[" * 100_000,
        "lists or objects nested too deeply",
        "allowed: ",
    ),
    _file(
        "no card",
        "card.json",
        lambda *_: None,
        "cannot be read (No such file",
        "allowed: a folder that trionet export wrote",
    ),
    _file(
        "a Python call in the recipe",
        "retrain.yml",
        lambda *_: "a: !!python/object/apply:os.system [touch canary]\n",
        "found no readable YAML",
    ),
    _file(
        "an unknown key of the recipe",
        "retrain.yml",
        lambda _, text: f"{text}\nhook: os.system\n",
        "hook: found 'os.system', allowed: no such key, but ",
    ),
    _file(
        "a recipe without data",
        "retrain.yml",
        lambda *_: "retrain: {}\nfinetune: {}\n",
        "data: found nothing, allowed: a value",
    ),
    _file(
        "a batch larger than the data",
        "retrain.yml",
        lambda _, text: text.replace("batch_size: 4", "batch_size: 400"),
        "retrain.batch_size: found 400, allowed: up to the 20 training images",
    ),
    _file(
        "no recipe",
        "retrain.yml",
        lambda *_: None,
        "found nothing, allowed: a folder that trionet export wrote",
    ),
    _file(
        "an architecture with an extra field",
        "architecture.json",
        lambda _, text: text.replace("{", '{"eval": 1, ', 1),
        "architecture: found 'eval'",
        "allowed: exactly",
    ),
    _file(
        "a pickle payload as weights to start from",
        "weights.safetensors",
        lambda folder, _: pickle.dumps(opens_canary(folder)),
        "found no readable weights",
        command="finetune",
    ),
)


def _result(name: str, field: str, value: Any, *line: str) -> Case:
    def run(folder: Path) -> int:
        root = finished(folder)
        path = next((root / "trionet" / "evaluations").glob("*.json"))
        write_json(path, changed(evaluation(), (field, value)))
        return main(["pareto", str(root)])

    return Case(_RESULTS, name, "trionet pareto", run, says(".json: ", *line))


def _of_experiment(name: str, file: str, document: Any, *line: str) -> Case:
    def run(folder: Path) -> int:
        root = finished(folder)
        path = root / "trionet" / file
        write_json(path, document(json.loads(path.read_text())) if callable(document) else document)
        return main(["export", str(root), "-o", str(folder / "out")])

    return Case(_RESULTS, name, "trionet export", run, says(f"{file}: ", *line))


RESULTS = (
    _result(
        "an accuracy of NaN", "accuracy", float("nan"), "accuracy: found nan, allowed: a number from 0 to 1"
    ),
    _result("an accuracy of 2", "accuracy", 2, "accuracy: found 2, allowed: a number from 0 to 1"),
    _result("a loss of NaN", "loss", float("nan"), "loss: found nan, allowed: a number from 0"),
    _result("a loss below nothing", "loss", -1, "loss: found -1, allowed: a number from 0"),
    _result("a text for FLOPs", "flops", "few", "flops: found 'few', allowed: a number"),
    _result("fewer images than none", "images", -1, "images: found -1, allowed: a number from 0"),
    _result("no accuracy", "accuracy", DELETE, "accuracy: found None, allowed: a number"),
    _result(
        "another network's hash",
        "hash",
        "0" * 16,
        "hash: found '0000000000000000', allowed: ",
        "the architecture's",
    ),
    _result(
        "an architecture with other heads",
        "architecture.stages.1.0.heads",
        3,
        "stages[1][0].heads: found 3",
        "divides",
    ),
    _of_experiment(
        "settings with an unknown key",
        "project.json",
        lambda settings: {**settings, "x": 1},
        "x: found 1, allowed: no such key, but space",
    ),
    _of_experiment(
        "settings that are a list",
        "project.json",
        [],
        "found list, allowed: an experiment's settings",
    ),
    _of_experiment(
        "no supernet in its file",
        "supernet.json",
        {"directory": 5},
        "directory: found none, allowed: the supernet's folder",
    ),
)


@cache
def _begun() -> dict[str, Any]:
    """The checkpoint of a run of ten steps after its first one."""
    from trionet_nni.export.retrain import retrain

    folder = HOME / "begun"
    folder.mkdir()
    retrain(exported(folder), progress=False, stop_after_steps=1)
    path = next(folder.rglob("last.ckpt"))
    found: dict[str, Any] = torch.load(path, weights_only=True)
    return found


def _resumed(name: str, make: Callable[[Path], bytes], *line: str) -> Case:
    def run(folder: Path) -> int:
        network = exported(folder)
        path = network / "runs" / "retrain-seed0" / "last.ckpt"
        path.parent.mkdir(parents=True)
        path.write_bytes(make(folder))
        return main(["retrain", str(network)])

    return Case(_CHECKPOINT, name, "trionet retrain", run, says("last.ckpt: ", *line))


def _saved(value: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def _but(**changes: Any) -> Callable[[Path], bytes]:
    """A real checkpoint with other parts."""
    return lambda folder: _saved(
        {**_begun(), **{name: v(_begun()[name]) if callable(v) else v for name, v in changes.items()}}
    )


def _narrow(state: dict[str, Any]) -> dict[str, Any]:
    """As a narrower network would have them."""
    return {name: x[:0] for name, x in state.items() if x.dim()}


_NOT_READ = "found no readable checkpoint ("
_ANOTHER = "found another file, allowed: a checkpoint of this run; delete it"
_UNFIT = "found a checkpoint that cannot be gone on with ("
CHECKPOINTS = (
    _resumed(
        "a pickle payload",
        lambda folder: pickle.dumps(opens_canary(folder)),
        _NOT_READ,
        "allowed: one of this run",
    ),
    _resumed("a pickle payload in torch's archive", lambda folder: _saved(opens_canary(folder)), _NOT_READ),
    _resumed(
        "a real checkpoint with a payload inside",
        lambda folder: _saved({**_begun(), "callbacks": {"x": opens_canary(folder)}}),
        _NOT_READ,
    ),
    _resumed("empty", lambda _: b"", _NOT_READ),
    _resumed("cut off", lambda _: _saved(_begun())[:-1000], _NOT_READ),
    _resumed("a text", lambda _: b"step 5\n", _NOT_READ),
    _resumed("a list", lambda _: _saved([1, 2]), _ANOTHER),
    _resumed("no step", lambda _: _saved({"state_dict": {}, "callbacks": {}}), _ANOTHER),
    _resumed("a step of −1", _but(global_step=-1), _ANOTHER),
    _resumed("a text for the step", _but(global_step="5"), _ANOTHER),
    _resumed("a list for the weights", _but(state_dict=[]), _ANOTHER),
    _resumed(
        "another run's", _but(fingerprint="0" * 16), "found a checkpoint of another network, recipe or data"
    ),
    _resumed("weights of other shapes", _but(state_dict=_narrow), _UNFIT),
    _resumed("no weights", _but(state_dict={}), _UNFIT),
    _resumed("no optimizer", _but(optimizer_states=[]), _ANOTHER),
    _resumed(
        "an optimizer of another network",
        _but(optimizer_states=[{"state": {}, "param_groups": []}]),
        _UNFIT,
    ),
    _resumed("a schedule that is a text", _but(lr_schedulers=["x"]), _UNFIT),
    _resumed("loops that are a text", _but(loops="x"), _UNFIT),
    _resumed("a finished run without its seconds", _but(global_step=10, callbacks={}), _UNFIT),
    _resumed("a finished run with other weights", _but(global_step=10, state_dict=_narrow), _UNFIT),
)

CASES = (*EXPORTS, *RESULTS, *CHECKPOINTS)
