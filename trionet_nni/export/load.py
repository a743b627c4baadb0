"""Loading an exported or retrained network, without NNI, spaces or strategies."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.errors import InputError
from trionet_nni.export.card import Card, read_card
from trionet_nni.files.weights import check_weights, kinds, read_weights
from trionet_nni.network.trionet import TrioNet

Weights = Literal["best available", "retrained", "finetuned", "supernet"]
FILES: dict[str, str] = {
    "retrained": "retrained.safetensors",
    "finetuned": "finetuned.safetensors",
    "supernet": "weights.safetensors",
}


def load(folder: str | Path, weights: Weights = "best available", *, dropout: float = 0.0) -> TrioNet:
    """The network of an exported folder, in evaluation mode on the CPU.

    Args:
        weights: "retrained" from scratch, "finetuned", or as cut out of the "supernet"; "best available"
            is the first of these that there is.
        dropout: rate before the classifier, for further training.

    Returns:
        A network that takes images normalized with the card's `mean` and `std` (see `card.read_card`).

    Raises:
        InputError: a file is missing or damaged, or does not fit the architecture.
    """
    folder = Path(folder)
    card = read_card(folder)
    architecture = architecture_of(card, folder / "architecture.json")
    with torch.device("meta"):  # no random numbers are drawn for weights that come from a file
        network = build(card, architecture, dropout)
    load_weights(network, _weights_file(folder, weights))
    return network.eval()


def architecture_of(card: Card, path: Path) -> Architecture:
    """The architecture that a card was written for.

    Raises:
        InputError: it cannot be read, or is another one.
    """
    architecture = Architecture.load(path)
    if architecture.hash != card.architecture:
        raise InputError(f"{path}: found {architecture.hash}, allowed: {card.architecture} as in card.json")
    return architecture


def build(card: Card, architecture: Architecture, dropout: float = 0.0) -> TrioNet:
    """The untrained network that a card describes."""
    return TrioNet(
        architecture,
        classes=card.classes,
        channels=card.channels,
        image_size=card.image_size,
        dropout=dropout,
    )


def load_weights(network: TrioNet, path: Path) -> None:
    """Put a file's weights into a network.

    Raises:
        InputError: the file is missing or damaged, or another network's.
    """
    state = read_weights(path)
    check_weights(path, state, kinds(network))
    network.load_state_dict(state, assign=True)


def _weights_file(folder: Path, weights: str) -> Path:
    names = list(FILES) if weights == "best available" else [weights]
    if not set(names) <= set(FILES):
        raise InputError(f"weights: found {weights!r}, allowed: best available, {', '.join(FILES)}")
    for name in names:
        if (folder / FILES[name]).exists():
            return folder / FILES[name]
    wanted = " or ".join(FILES[name] for name in names)
    raise InputError(f"{folder}: weights: found no {wanted}, allowed: an exported or retrained network")
