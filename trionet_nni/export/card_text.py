"""A card as files: `card.md` for people, `card.json` for `load()`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trionet_nni.architecture.architecture import Architecture, block_to_dict
from trionet_nni.architecture.drawing import network_svg
from trionet_nni.export.card import Card, Finalist, Trained
from trionet_nni.export.weights import best_measured
from trionet_nni.files.atomic import write_json, write_text

PICTURE = "network.svg"


def write_card(folder: Path, card: Card, architecture: Architecture) -> None:
    """Write `card.md` with its picture, and `card.json`."""
    drawing = network_svg(architecture, image_size=card.image_size, classes=card.classes)
    write_text(folder / PICTURE, drawing)
    write_text(folder / "card.md", markdown(card, architecture))
    write_json(folder / "card.json", card.model_dump())


def markdown(card: Card, architecture: Architecture) -> str:
    """The card for people."""
    writer = f"trionet-nni {card.version}" + (f" at commit `{card.commit}`" if card.commit else "")
    lines = [
        f"# {card.name}",
        "",
        f"Architecture `{card.architecture}` of the space `{card.space}`, written by {writer}.",
        "",
        f"![{architecture.operators}]({PICTURE})",
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
    facts = [
        ("FLOPs of one image", f"{card.flops:,}"),
        ("parameters", f"{card.params:,}"),
        ("input", f"{card.channels} × {card.image_size} × {card.image_size}"),
        ("classes", str(card.classes)),
        ("data", _data(card.data)),
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
    return _trained(card) + facts


def _data(record: Mapping[str, Any]) -> str:
    """Name and number of images; a card that others wrote may have something else there, or nothing."""
    splits = record.get("splits")
    parts = splits.items() if isinstance(splits, dict) else ()
    counts = {name: part.get("images") for name, part in parts if isinstance(part, dict)}
    shown = ", ".join(f"{name} {count:,}" for name, count in counts.items() if type(count) is int)
    return f"{record.get('name', 'not told')}: {shown or 'not told'}"


def _trained(card: Card) -> list[tuple[str, str]]:
    """Every set of weights that was measured on the test images, and which of them `load()` takes."""
    if not card.trained:
        return []
    lines = [(f"{name} weights", _reached(found)) for name, found in card.trained.items()]
    return [("the best weights, which load() takes", best_measured(card.trained)), *lines]


def _reached(found: Trained) -> str:
    loss = "" if found.loss is None else f", loss {found.loss:.4f}"
    training = {"seed": found.seed, "steps": found.steps}
    how = ", ".join(f"{name} {value:,}" for name, value in training.items() if value is not None)
    share = f"accuracy {found.accuracy:.4f}{loss} on {found.images:,} {found.split} images"
    return f"{share} ({how})" if how else share


def _finalist(found: Finalist) -> str:
    times = len(found.losses)
    steps = f"{found.steps:,} steps" if found.steps == found.of else f"{found.steps:,} of {found.of:,}"
    losses = ", ".join(f"{loss:.4f}" for loss in found.losses)
    mean = f": the mean of {times} trainings ({losses}), each with another seed and other search images"
    return (
        f"loss {found.loss:.4f}, accuracy {found.accuracy:.4f} on {found.images:,} {found.split} images "
        f"after {steps} on {found.train_images:,} training images (batch {found.batch_size}, rate "
        f"{found.learning_rate:g}, seed {found.seed}){mean if times > 1 else ''}; "
        "not the weights in this folder"
    )
