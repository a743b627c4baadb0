"""Files of weights: their header, and whether their tensors are a network's."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import torch
from safetensors.torch import save

from tests.fuzz.target import Target
from trionet_nni.files.weights import check_weights, read_weights

_STATE = {
    "classifier.bias": torch.zeros(2),
    "classifier.weight": torch.ones(2, 3),
    "norm.count": torch.tensor(7),
    "stem.weight": torch.ones(2, 2, dtype=torch.bfloat16),
}
_WANTED = {name: (tuple(x.shape), x.dtype) for name, x in _STATE.items()}
_CONTENT = bytes(64)  # behind a header


def _read(data: bytes, folder: Path) -> None:
    """A header in JSON gets its length and 64 bytes of tensors; anything else is taken for a whole file."""
    path = folder / "weights.safetensors"
    path.unlink(missing_ok=True)  # it may be mapped into memory: another file, not another content
    path.write_bytes(struct.pack("<Q", len(data)) + data + _CONTENT if data.startswith(b"{") else data)
    state = read_weights(path)
    for tensor in state.values():
        assert tensor.numel() == 0 or tensor.flatten()[-1] is not None  # inside of the file
    check_weights(path, state, _WANTED)
    assert state.keys() == _WANTED.keys()


def _seeds() -> list[bytes]:
    """A whole file; its header alone; a header with every type."""
    whole = save(_STATE)
    length = struct.unpack("<Q", whole[:8])[0]
    types = ("BOOL", "U8", "I16", "F16", "I32", "F64", "F8_E4M3", "F8_E8M0", "F4", "U64", "C64")
    strange = {name: {"dtype": name, "shape": [1], "data_offsets": [0, 1]} for name in types}
    return [
        whole,
        whole[8 : 8 + length],
        json.dumps({"__metadata__": {"format": "pt"}, **strange}).encode(),
    ]


TARGET = Target("safetensors_header", _read, _seeds)
