"""Architecture files, as `trionet count`, `draw`, `retrain` and an export read them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fuzz.target import Target
from tests.helpers.checkout import ROOT
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.cost import architecture_cost
from trionet_nni.architecture.drawing import network_svg


def _read(data: bytes, folder: Path) -> None:
    """What is accepted is the same network in each of its three forms, and has a cost and a picture."""
    path = folder / "network.json"
    path.write_bytes(data)
    network = Architecture.load(path)
    assert Architecture.from_json(network.to_json()).hash == network.hash
    assert Architecture.from_sample(network.space, network.to_sample()) == network
    assert architecture_cost(network, image_size=32, classes=2, channels=3).params > 0
    assert network_svg(network, image_size=32, classes=2)


def _seeds() -> list[bytes]:
    tiny = {
        "space": "trionet-tiny",
        "stages": [
            [{"operator": "conv", "expansion": 0.25, "kernel": 3}],
            [
                {"operator": "local", "expansion": 0.5, "kernel": 3, "qk": 0.5, "v": 0.5, "heads": 4},
                {"operator": "axial", "expansion": 0.25, "qk": 1.0, "v": 1.0, "heads": 4},
            ],
        ],
    }
    shipped = (ROOT / "experiments").glob("*-network.json")
    return [json.dumps(tiny).encode(), *(path.read_bytes() for path in sorted(shipped))]


TARGET = Target("architecture_json", _read, _seeds)
