"""What the weights of a folder reach on its test images, kept on its card."""

from __future__ import annotations

from pathlib import Path

import torch

from trionet_nni.data import Splits
from trionet_nni.errors import InputError
from trionet_nni.export.card import Trained, Weights, read_card
from trionet_nni.export.card_text import write_card
from trionet_nni.export.load import architecture_of, load
from trionet_nni.export.weights import FILES
from trionet_nni.network.trionet import TrioNet
from trionet_nni.training.evaluate import scores


def measure(network: TrioNet, splits: Splits) -> Trained:
    """Accuracy and loss on the test images, on a GPU where there is one."""
    if torch.cuda.is_available():
        network.cuda()
    found = scores(network, splits.test)
    return Trained(accuracy=found.accuracy, loss=found.loss, images=len(splits.test), split="test")


def record(folder: Path, name: Weights, found: Trained, splits: Splits) -> None:
    """Put what a training reached on `card.json` and `card.md`, and what it began with beside it.

    The supernet's weights are known by the search images alone: on the images of the others they are
    measured here, once, so that all numbers of a card can be compared.

    Raises:
        InputError: a file of the folder cannot be read.
    """
    card = read_card(folder)
    trained = {**card.trained, name: found}
    if "supernet" not in trained and (folder / FILES["supernet"]).exists():
        trained["supernet"] = measure(load(folder, "supernet"), splits)
    architecture = architecture_of(card, folder / "architecture.json")
    write_card(folder, card.model_copy(update={"trained": trained}), architecture)


def kept(folder: Path, splits: Splits) -> dict[Weights, Trained]:
    """What a folder that is written again knows of weights that stay in it: all but the supernet's.

    Numbers of other test images are none of the new card's.
    """
    try:
        card = read_card(folder)
    except InputError:  # there is none yet, or one of no use
        return {}
    if card.data != splits.record:
        return {}
    return {name: found for name, found in card.trained.items() if name != "supernet"}
