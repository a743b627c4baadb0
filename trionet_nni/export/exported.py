"""A network with what it needs to look at a picture and to say what it sees."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.jit._trace import is_tracing

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.data.preprocess import Preprocess
from trionet_nni.data.splits import IN_MEMORY
from trionet_nni.data.stores import MARGIN, Store
from trionet_nni.errors import say
from trionet_nni.export.card import Card
from trionet_nni.network.trionet import TrioNet


class ExportedNetwork(TrioNet):
    """The network that a card describes.

    Attributes:
        preprocess: PIL image or file → network input, float32 [C, S, S].
        classes: names, in the order of the logits.

    Shape: as `TrioNet`; the first images of another size than the network was trained for are told in one
    line, because accuracy falls without any other sign.
    """

    def __init__(
        self, card: Card, architecture: Architecture, preprocess: Preprocess, dropout: float = 0.0
    ) -> None:
        super().__init__(
            architecture,
            classes=card.classes,
            channels=card.channels,
            image_size=card.image_size,
            dropout=dropout,
        )
        self.preprocess, self.classes = preprocess, tuple(card.class_names)
        self._told_of: set[tuple[int, ...]] = set()

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        # Neither a compiled network nor a trace of one has a place for a message.
        if not (torch.compiler.is_compiling() or is_tracing()):  # type: ignore[no-untyped-call]
            self._look_at_size(tuple(x.shape[-2:]))
        return super().forward(x)

    def _look_at_size(self, size: tuple[int, ...]) -> None:
        trained = self.preprocess.image_size
        if size == (trained, trained) or size in self._told_of:
            return
        self._told_of.add(size)
        found = " × ".join(map(str, size))
        say(
            f"images of {found} pixels for a network trained at {trained} × {trained}: "
            "its measured accuracy does not hold for them"
        )


def preprocess_of(card: Card, folder: Path) -> Preprocess:
    """How a card's network wants its pictures.

    Args:
        folder: for the line about a card that does not say all of it.
    """
    margin = card.margin
    if margin is None:
        margin = _former_margin(card)
        say(
            f"{folder / 'card.json'}: margin: found nothing (the card is older than this field): what the "
            f"network saw of a picture is taken to be the middle {margin:g} of its shorter side"
        )
    return Preprocess(card.image_size, card.channels, margin, tuple(card.mean), tuple(card.std))


def _former_margin(card: Card) -> float:
    """What decided it before cards said it: images were held in memory, or decoded on demand."""
    return MARGIN if card.channels == 3 and card.image_size > IN_MEMORY else Store.margin
