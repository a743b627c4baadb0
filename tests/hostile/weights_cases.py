"""Weights: of an exported network, of a supernet, and of a backbone."""

from __future__ import annotations

import io
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.hostile.bench import ARCHITECTURE, experiment, exported, supernet
from tests.hostile.case import Case, says
from tests.hostile.payloads import opens_canary

State = dict[str, Tensor]
_NETWORK, _SUPERNET, _BACKBONE = "weights of a network", "weights of a supernet", "weights of a backbone"
_NAME = "weights.safetensors"
_UNREADABLE = (f"{_NAME}: found no readable weights (", "), allowed: safetensors")


def _load(folder: Path) -> None:
    from trionet_nni.export.load import load

    load(folder)


def _spoilt(name: str, spoil: Callable[[Path, bytes], object], *line: str) -> Case:
    """The file of an exported network, spoilt as a file."""

    def run(folder: Path) -> None:
        path = exported(folder) / _NAME
        spoil(path, path.read_bytes())
        _load(path.parent)

    return Case(_NETWORK, name, "trionet_nni.load", run, says(*line))


def _state(name: str, change: Callable[[State], object], *line: str) -> Case:
    """The same with other tensors."""

    def run(folder: Path) -> None:
        path = exported(folder) / _NAME
        state = load_file(path)
        change(state)
        save_file(state, path)
        _load(path.parent)

    return Case(_NETWORK, name, "trionet_nni.load", run, says(f"{_NAME}: ", *line))


def _replaced(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def _header(change: Callable[[dict[str, dict[str, object]]], object]) -> Callable[[Path, bytes], None]:
    def spoil(path: Path, data: bytes) -> None:
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
        change(header)
        text = json.dumps(header).encode()
        _replaced(path, struct.pack("<Q", len(text)) + text + data[8 + length :])

    return spoil


def _torch_file(value: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def _archive(path: Path, _: bytes) -> None:
    """numpy's own pickle inside its own format."""
    np.save(
        path.with_suffix(".npy"), np.array([opens_canary(path.parents[1])], dtype=object), allow_pickle=True
    )
    path.with_suffix(".npy").rename(path)


def _overlap(header: dict[str, dict[str, object]]) -> None:
    first, second = [name for name in header if name != "__metadata__"][:2]
    header[second]["data_offsets"] = header[first]["data_offsets"]


def _beyond(header: dict[str, dict[str, object]]) -> None:
    last = [name for name in header if name != "__metadata__"][-1]
    begin, _ = header[last]["data_offsets"]  # type: ignore[misc]
    header[last]["data_offsets"] = [begin, 2**62]


def _enormous(header: dict[str, dict[str, object]]) -> None:
    header["classifier.weight"]["shape"] = [2**40, 2**40]


def _strange(header: dict[str, dict[str, object]]) -> None:
    header["classifier.bias"]["dtype"] = "OBJECT"


def _put(name: str, value: Callable[[Tensor], Tensor]) -> Callable[[State], None]:
    def change(state: State) -> None:
        state[name] = value(state[name]).contiguous()

    return change


_BIAS, _WEIGHT = "classifier.bias", "classifier.weight"
_OTHER = "found another network's weights ("
NETWORK = (
    _spoilt("no file", lambda path, _: path.unlink(), "found no "),
    _spoilt("empty", lambda path, _: _replaced(path, b""), *_UNREADABLE),
    _spoilt("a header cut off", lambda path, data: _replaced(path, data[:100]), *_UNREADABLE),
    _spoilt("tensors cut off", lambda path, data: _replaced(path, data[:-1]), *_UNREADABLE),
    _spoilt("bytes at its end", lambda path, data: _replaced(path, data + b"more"), *_UNREADABLE),
    _spoilt(
        "a header of 2⁶³ bytes",
        lambda path, data: _replaced(path, struct.pack("<Q", 2**63) + data[8:]),
        *_UNREADABLE,
    ),
    _spoilt(
        "a header that is no JSON",
        lambda path, data: _replaced(path, struct.pack("<Q", 8) + b"notjson!" + data),
        *_UNREADABLE,
    ),
    _spoilt(
        "a header of 1 MB of nesting",
        lambda path, data: _replaced(path, struct.pack("<Q", 10**6) + b"[" * 10**6),
        *_UNREADABLE,
    ),
    _spoilt("tensors that overlap", _header(_overlap), *_UNREADABLE),
    _spoilt("a tensor beyond the end", _header(_beyond), *_UNREADABLE),
    _spoilt("a shape of 2⁸⁰ numbers", _header(_enormous), *_UNREADABLE),
    _spoilt("an unknown type", _header(_strange), *_UNREADABLE),
    _spoilt(
        "a pickle payload",
        lambda path, _: _replaced(path, pickle.dumps(opens_canary(path.parents[1]))),
        *_UNREADABLE,
    ),
    _spoilt(
        "a pickle payload in torch's archive",
        lambda path, _: _replaced(path, _torch_file(opens_canary(path.parents[1]))),
        *_UNREADABLE,
    ),
    _spoilt(
        "torch's archive of the right tensors",
        lambda path, _: _replaced(path, _torch_file(load_file(path))),
        *_UNREADABLE,
    ),
    _spoilt("a pickle payload in numpy's format", _archive, *_UNREADABLE),
    _spoilt("text", lambda path, _: _replaced(path, b"weights\n" * 100), *_UNREADABLE),
    _spoilt(
        "a folder",
        lambda path, _: (path.unlink(), path.mkdir()),
        f"{_NAME}: cannot be read (",
        "allowed: safetensors",
    ),
    _state(
        "a wrong shape",
        _put(_BIAS, lambda x: torch.zeros(7)),
        _OTHER,
        "classifier.bias: 7, float32",
        "allowed: 2, float32",
    ),
    _state(
        "a turned matrix",
        _put(_WEIGHT, lambda x: x.T),
        _OTHER,
        "classifier.weight: ",
        " × 2, float32",
        "allowed: 2 × ",
    ),
    _state(
        "a number instead of a vector",
        _put(_BIAS, lambda x: x.sum()),
        _OTHER,
        "classifier.bias: one number",
    ),
    _state(
        "an empty tensor",
        _put(_BIAS, lambda x: x[:0]),
        _OTHER,
        "classifier.bias: 0, float32",
        "allowed: 2, float32",
    ),
    _state(
        "another type",
        _put(_BIAS, lambda x: x.double()),
        _OTHER,
        "classifier.bias: 2, float64",
        "allowed: 2, float32",
    ),
    _state("whole numbers", _put(_WEIGHT, lambda x: x.int()), _OTHER, "int32", "allowed: 2 × "),
    _state(
        "a tensor too few",
        lambda state: state.pop(_BIAS),
        _OTHER,
        "no tensor classifier.bias",
        "allowed: this network's",
    ),
    _state(
        "no tensor",
        lambda state: state.clear(),
        _OTHER,
        "no tensor classifier.bias",
        "allowed: this network's",
    ),
    _state(
        "a tensor too many",
        lambda state: state.update({"__reduce__\x1b[2J": torch.ones(1)}),
        _OTHER,
        "a tensor '__reduce__\\x1b[2J' too many",
    ),
    _state(
        "NaN",
        _put(_BIAS, lambda x: x * float("nan")),
        "classifier.bias: found NaN or infinity, allowed: finite numbers",
    ),
    _state(
        "one infinity",
        _put(_WEIGHT, lambda x: x.index_fill(1, torch.tensor([3]), float("inf"))),
        "classifier.weight: found NaN or infinity",
    ),
)


def _of_supernet(name: str, write: Callable[[Path], object], *line: str) -> Case:
    """The file of a trained supernet, as an evaluator and an export read it."""

    def run(folder: Path) -> None:
        from trionet_nni.architecture.cost import CostModel
        from trionet_nni.settings.project import ProjectConfig
        from trionet_nni.supernet.evaluator import WEIGHTS, supernet_weights

        write(folder / WEIGHTS)
        config = ProjectConfig.model_validate(experiment()["tuner"]["classArgs"])
        supernet_weights(folder, config, CostModel(2, 3, 16))

    return Case(_SUPERNET, name, "evaluator, trionet export", run, says("supernet.safetensors: ", *line))


def _supernet_but(change: Callable[[State], object]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        state = dict(supernet())
        change(state)
        save_file(state, path)

    return write


def _first(prefix: str) -> str:
    return next(name for name, x in supernet().items() if name.startswith(prefix) and x.dim())


def _narrow(state: State) -> None:
    name = _first("stages.1.")
    state[name] = state[name][:1].contiguous()


def _nan(state: State) -> None:
    name = _first("stages.0.")
    state[name] = state[name] * float("nan")


SUPERNET = (
    _of_supernet("no file", lambda path: None, "cannot be read (", "allowed: a trained supernet's weights"),
    _of_supernet(
        "a pickle payload",
        lambda path: path.write_bytes(_torch_file(opens_canary(path.parent))),
        "found no readable weights",
    ),
    _of_supernet(
        "another space's",
        _supernet_but(lambda state: state.pop(_first("stages.1."))),
        _OTHER,
        "no tensor stages.1",
    ),
    _of_supernet(
        "other classes",
        _supernet_but(lambda state: state.update({_BIAS: torch.ones(10)})),
        _OTHER,
        "classifier.bias: 10",
        "allowed: 2,",
    ),
    _of_supernet("a narrower block", _supernet_but(_narrow), _OTHER, "stages.1", "allowed: "),
    _of_supernet(
        "NaN in a block", _supernet_but(_nan), "stages.0", "found NaN or infinity, allowed: finite numbers"
    ),
)


def _of_backbone(name: str, write: Callable[[Path], object], *line: str) -> Case:
    """A safetensors file that a segmentation run starts from."""

    def run(folder: Path) -> None:
        from trionet_nni.segmentation.shared.backbone import build_backbone
        from trionet_nni.segmentation.shared.config import BackboneConfig

        (folder / "network.json").write_text(ARCHITECTURE.to_json())
        write(folder / _NAME)
        build_backbone(BackboneConfig(network=str(folder / "network.json"), weights=str(folder / _NAME)))

    return Case(_BACKBONE, name, "trionet segment train", run, says(*line))


BACKBONE = (
    _of_backbone("no file", lambda path: None, "backbone.weights: found no file ", "allowed: none"),
    _of_backbone(
        "a pickle payload",
        lambda path: path.write_bytes(pickle.dumps(opens_canary(path.parent))),
        *_UNREADABLE,
    ),
    _of_backbone(
        "another network's",
        lambda path: save_file({"stem.0.weight": torch.ones(1)}, path),
        _OTHER,
        "no tensor ",
    ),
)

CASES = (*NETWORK, *SUPERNET, *BACKBONE)
