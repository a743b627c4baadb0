"""The card of an exported network: what it is, how it was measured, and all that is needed to load it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from trionet_nni.architecture.architecture import Architecture, block_to_dict
from trionet_nni.architecture.cost import architecture_cost
from trionet_nni.data import Splits
from trionet_nni.files.atomic import write_json, write_text
from trionet_nni.files.text import read_json
from trionet_nni.settings.section import Section, refused
from trionet_nni.version import __version__


class Measured(Section):
    """An accuracy, 0 to 1, and the loss, where it is known, with the images they were measured on."""

    accuracy: float
    loss: float | None = None  # mean cross entropy, nats
    images: int
    split: str


class Finalist(Section):
    """What a network reached from scratch after the search, by which finalists are ranked.

    Its weights are not those of the folder: they were trained without the search images, to compare.

    Attributes:
        loss: mean cross entropy on the split, nats.
        steps: optimizer steps it was trained for; `of` are those of finalists that came to the end.
        train_images, batch_size, learning_rate, seed: what it was trained on, and how.
    """

    loss: float
    accuracy: float
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
        operators: of every block, stage by stage.
        flops: 2 × multiply-accumulates of one image.
        measured: the supernet's sub-network on the search split; None where there was no supernet.
        finalist: the network trained from scratch in the search; None where it was not.
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
    operators: list[list[str]]
    flops: int
    params: int
    measured: Measured | None
    finalist: Finalist | None = None
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


def make_card(
    name: str,
    architecture: Architecture,
    splits: Splits,
    *,
    seeds: dict[str, int],
    origin: dict[str, str] | None = None,
    measured: Measured | None = None,
    finalist: Finalist | None = None,
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
        operators=[[block.operator for block in stage] for stage in architecture.stages],
        flops=cost.flops,
        params=cost.params,
        measured=measured,
        finalist=finalist,
        data=splits.record,
        seeds=seeds,
        origin=origin or {},
        commit=commit(),
        version=__version__,
    )


def write_card(folder: Path, card: Card, architecture: Architecture) -> None:
    """Write `card.md` for people and `card.json` for `load()`."""
    write_text(folder / "card.md", _markdown(card, architecture))
    write_json(folder / "card.json", card.model_dump())


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


def commit() -> str | None:
    """Commit of the checkout this runs from, with "+changes" behind it where files differ; None outside."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head + ("+changes" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout.strip()


def _markdown(card: Card, architecture: Architecture) -> str:
    writer = f"trionet-nni {card.version}" + (f" at commit `{card.commit}`" if card.commit else "")
    lines = [
        f"# {card.name}",
        "",
        f"Architecture `{card.architecture}` of the space `{card.space}`, written by {writer}.",
        "",
        "| stage | block | operator | options |",
        "|---|---|---|---|",
    ]
    for stage, blocks in enumerate(architecture.stages, 1):
        for number, block in enumerate(blocks, 1):
            options = block_to_dict(block)
            operator = options.pop("operator")
            text = ", ".join(f"{name} {value:g}" for name, value in options.items())
            lines.append(f"| {stage} | {number} | {operator} | {text} |")
    lines += ["", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in _facts(card))]
    return "\n".join(lines) + "\n"


def _facts(card: Card) -> list[tuple[str, str]]:
    splits = ", ".join(f"{name} {part['images']:,}" for name, part in card.data["splits"].items())
    facts = [
        ("FLOPs of one image", f"{card.flops:,}"),
        ("parameters", f"{card.params:,}"),
        ("input", f"{card.channels} × {card.image_size} × {card.image_size}"),
        ("classes", str(card.classes)),
        ("data", f"{card.data['name']}: {splits}"),
        ("seeds", ", ".join(f"{name} {seed}" for name, seed in card.seeds.items())),
        *card.origin.items(),
    ]
    if card.measured is not None:
        share = f"{card.measured.accuracy:.4f} on {card.measured.images:,} images"
        if card.measured.loss is not None:
            facts.insert(0, ("loss on the same images", f"{card.measured.loss:.4f}"))
        facts.insert(0, (f"accuracy with the supernet's weights ({card.measured.split} split)", share))
    if card.finalist is not None:
        facts.insert(0, ("as a finalist, trained from scratch", _finalist(card.finalist)))
    return facts


def _finalist(found: Finalist) -> str:
    return (
        f"loss {found.loss:.4f}, accuracy {found.accuracy:.4f} on {found.images:,} {found.split} images "
        f"after {found.steps:,} of {found.of:,} steps on {found.train_images:,} training images (batch "
        f"{found.batch_size}, rate {found.learning_rate:g}, seed {found.seed}); "
        "not the weights in this folder"
    )
