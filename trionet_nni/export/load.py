"""Loading an exported or retrained network, without NNI, spaces or strategies."""

from __future__ import annotations

from pathlib import Path

import torch

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.errors import InputError
from trionet_nni.export.card import Card, read_card
from trionet_nni.export.exported import ExportedNetwork, preprocess_of
from trionet_nni.export.weights import BEST, chosen_weights
from trionet_nni.files.weights import check_weights, kinds, read_weights
from trionet_nni.network.trionet import TrioNet


def load(folder: str | Path, weights: str = BEST, *, dropout: float = 0.0) -> ExportedNetwork:
    """The network of an exported folder, in evaluation mode on the CPU.

    Args:
        weights: "retrained" from scratch, "finetuned", as cut out of the "supernet", or a safetensors file;
            "best available" is the set with the highest measured accuracy.
        dropout: rate before the classifier, for further training.

    Returns:
        A network that takes images normalized as its `preprocess` does, [B, C, S, S], and gives logits of
        its `classes`, [B, classes].

    Raises:
        InputError: a file is missing or damaged, or does not fit the architecture.
    """
    folder = Path(folder)
    card = read_card(folder)
    architecture = architecture_of(card, folder / "architecture.json")
    with torch.device("meta"):  # no random numbers are drawn for weights that come from a file
        network = ExportedNetwork(card, architecture, preprocess_of(card, folder), dropout)
    load_weights(network, chosen_weights(folder, card, weights)[1])
    network.eval()
    return network


def architecture_of(card: Card, path: Path) -> Architecture:
    """The architecture that a card was written for.

    Raises:
        InputError: it cannot be read, or is another one.
    """
    architecture = Architecture.load(path)
    if architecture.hash != card.architecture:
        raise InputError(f"{path}: found {architecture.hash}, allowed: {card.architecture} as in card.json")
    return architecture


def load_weights(network: TrioNet, path: Path) -> None:
    """Put a file's weights into a network.

    Raises:
        InputError: the file is missing or damaged, or another network's.
    """
    state = read_weights(path)
    check_weights(path, state, kinds(network))
    network.load_state_dict(state, assign=True)
