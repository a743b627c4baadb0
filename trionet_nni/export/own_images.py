"""The images of an exported folder's own data set, seen as its card says."""

from __future__ import annotations

from pathlib import Path

import torch

from trionet_nni.data import ImageSet, Splits, load_splits
from trionet_nni.errors import InputError, say
from trionet_nni.export.card import Card
from trionet_nni.export.settings import NAME, read_config


def test_images(folder: Path, card: Card, size: int | None = None) -> ImageSet:
    """The test split, normalized as the card says.

    Args:
        size: side of the images in pixels instead of the training's.

    Raises:
        InputError: the data are not there, or are others than the card's.
    """
    return _as_the_card_says(_splits(folder, card, size).test, card)


def calibration_images(folder: Path, card: Card) -> ImageSet:
    """The images that gave BN its statistics, normalized as the card says: to find ranges of numbers by.

    Raises:
        InputError: as `test_images`.
    """
    return _as_the_card_says(_splits(folder, card, None).recalibration, card)


def _splits(folder: Path, card: Card, size: int | None) -> Splits:
    config = read_config(folder / NAME)
    if size is not None:
        config = config.model_copy(update={"data": config.data.model_copy(update={"image_size": size})})
    splits = load_splits(config.data, folder / config.cache)
    found, wanted = (splits.classes, splits.channels), (card.classes, card.channels)
    if found != wanted:
        raise InputError(
            f"{folder / NAME}: data: found (classes, channels) {found}, allowed: {wanted} as in card.json"
        )
    if splits.record["splits"]["test"] != card.data["splits"]["test"]:
        say(f"{folder / NAME}: the test images are not those of card.json: others may have been trained on")
    return splits


def _as_the_card_says(images: ImageSet, card: Card) -> ImageSet:
    mean, std = torch.tensor(card.mean), torch.tensor(card.std)
    return ImageSet(images.store, images.indices, images.labels, mean, std)
