"""Cards of exported networks, as loading a network reads them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from tests.fuzz.target import Target
from tests.hostile.bench import ARCHITECTURE, exported
from trionet_nni.export.card import read_card
from trionet_nni.export.card_text import markdown
from trionet_nni.export.exported import preprocess_of
from trionet_nni.export.load import architecture_of
from trionet_nni.export.weights import BEST, chosen_weights
from trionet_nni.network.trionet import TrioNet


def _read(data: bytes, folder: Path) -> None:
    """What is accepted is a network's, can be shown, and says how pictures are normalized."""
    (folder / "card.json").write_bytes(data)
    (folder / "architecture.json").write_text(ARCHITECTURE.to_json())
    (folder / "weights.safetensors").touch()
    card = read_card(folder)
    preprocess_of(card, folder)
    network = architecture_of(card, folder / "architecture.json")
    chosen_weights(folder, card, BEST)
    assert markdown(card, network)
    if card.classes < 10_000:
        with torch.device("meta"):
            TrioNet(network, classes=card.classes, channels=card.channels, image_size=card.image_size)


def _seeds() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        return [(exported(Path(folder)) / "card.json").read_bytes()]


TARGET = Target("model_card", _read, _seeds)
