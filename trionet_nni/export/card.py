"""The card of an exported network: what it is, how it was measured, and all that is needed to load it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.cost import architecture_cost
from trionet_nni.data import Splits
from trionet_nni.files.text import read_json
from trionet_nni.settings.project import Seed
from trionet_nni.settings.section import Section, refused
from trionet_nni.version import __version__, commit


class Measured(Section):
    """An accuracy, 0 to 1, and the loss, where it is known, with the images they were measured on."""

    accuracy: float = Field(ge=0, le=1)
    loss: float | None = Field(None, ge=0)  # mean cross entropy, nats
    images: int = Field(ge=1)
    split: str


Weights = Literal["retrained", "finetuned", "supernet"]  # sets of weights that a folder may hold


class Trained(Measured):
    """What one set of weights of the folder reaches on the test images.

    Attributes:
        seed, steps: of its training; None for weights that were trained elsewhere, such as the supernet's.
    """

    seed: Seed | None = None
    steps: int | None = Field(None, ge=1)


class Finalist(Section):
    """What a network reached from scratch after the search, by which finalists are ranked.

    Its weights are not those of the folder: they were trained without the search images, to compare.

    Attributes:
        loss, accuracy: on the split, nats and 0 to 1; means over its trainings.
        losses: of each of its trainings, which differ in seed and in the division of the images; empty on
            cards of before there were several.
        steps: optimizer steps of each; `of` are those of finalists that came to the end, where the length
            was halved, on cards of before there were several.
        train_images, batch_size, learning_rate, seed: what the first one was trained on, and how.
    """

    loss: float
    accuracy: float
    losses: list[float] = Field(default_factory=list)
    images: int
    split: str
    steps: int
    of: int
    train_images: int
    batch_size: int
    learning_rate: float
    seed: int


class Card(Section):
    """Everything known about an exported network.

    Attributes:
        architecture: hash of `architecture.json`.
        mean, std: of the training pixels in [0, 1], per channel: how inputs are normalized.
        margin: side of the middle square that is seen of a picture ÷ its shorter side; None on cards of
            before this field.
        operators: of every block, stage by stage.
        flops: 2 × multiply-accumulates of one image.
        measured: the supernet's sub-network on the search split; None where there was no supernet.
        finalist: the network trained from scratch in the search; None where it was not.
        trained: what each set of weights reaches on the test images; empty before any training, and on
            cards of before this field.
        data: how the images were divided.
        seeds: of the division, the supernet and the search.
        origin: experiment and supernet it comes from.
        commit: of this project's checkout when it was exported, if known.
    """

    name: str
    space: str
    architecture: str
    classes: int = Field(ge=1, le=10**6)
    channels: int = Field(ge=1, le=1024)
    image_size: int = Field(ge=1, le=4096)
    class_names: list[str]
    mean: list[float]
    std: list[float]
    margin: float | None = Field(None, ge=0.01, le=1)
    operators: list[list[str]]
    flops: int
    params: int
    measured: Measured | None
    finalist: Finalist | None = None
    trained: dict[Weights, Trained] = Field(default_factory=dict)
    data: dict[str, Any]
    seeds: dict[str, int]
    origin: dict[str, str]
    commit: str | None
    version: str

    @model_validator(mode="after")
    def _can_normalize(self) -> Card:
        if not len(self.mean) == len(self.std) == self.channels or min(self.std) <= 0:
            raise ValueError("mean and std must have a number for each channel, and std positive ones")
        return self

    @model_validator(mode="after")
    def _can_name(self) -> Card:
        if len(self.class_names) != self.classes:
            raise ValueError(f"class_names must have a name for each class, {self.classes} of them")
        return self


def make_card(
    name: str,
    architecture: Architecture,
    splits: Splits,
    *,
    seeds: dict[str, int],
    origin: dict[str, str] | None = None,
    measured: Measured | None = None,
    finalist: Finalist | None = None,
    trained: dict[Weights, Trained] | None = None,
) -> Card:
    """Describe a network for the data it is meant for."""
    cost = architecture_cost(
        architecture, image_size=splits.image_size, classes=splits.classes, channels=splits.channels
    )
    return Card(
        name=name,
        space=architecture.space,
        architecture=architecture.hash,
        classes=splits.classes,
        channels=splits.channels,
        image_size=splits.image_size,
        class_names=list(splits.class_names),
        mean=splits.train.mean.tolist(),
        std=splits.train.std.tolist(),
        margin=splits.train.store.margin,
        operators=[[block.operator for block in stage] for stage in architecture.stages],
        flops=cost.flops,
        params=cost.params,
        measured=measured,
        finalist=finalist,
        trained=trained or {},
        data=splits.record,
        seeds=seeds,
        origin=origin or {},
        commit=commit(),
        version=__version__,
    )


def read_card(folder: Path) -> Card:
    """Read `card.json`.

    Raises:
        InputError: it is missing, or no card.
    """
    path = folder / "card.json"
    try:
        return Card.model_validate(read_json(path, "a folder that trionet export wrote"))
    except ValidationError as error:
        raise refused(error, str(path), Card) from None
