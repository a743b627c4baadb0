"""The sets of weights of an exported folder: their files, what they reach, and which are the best."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from trionet_nni.errors import InputError, say
from trionet_nni.export.card import Card, Measured, Trained, Weights
from trionet_nni.files.text import read_json
from trionet_nni.settings.section import refused

BEST = "best available"
FILES: dict[str, str] = {
    "retrained": "retrained.safetensors",
    "finetuned": "finetuned.safetensors",
    "supernet": "weights.safetensors",
}
SHARED = "model.safetensors"  # the one set of a folder that `trionet push` wrote
START = "transferred.safetensors"  # what a fine-tuning on other images begins with: no network of use yet
# The files in which a training says what it reached; before cards did, these alone knew.
RESULTS = {"retrained": "retrain_result.json", "finetuned": "finetune_result.json"}


def chosen_weights(folder: Path, card: Card, weights: str = BEST) -> tuple[str, Path]:
    """A set of weights, by name or by file, or the best one of the folder; its name and its file.

    Args:
        weights: "best available", a name of `FILES`, or a safetensors file of the same network.

    Raises:
        InputError: there is none of them.
    """
    if weights == BEST:
        if (folder / SHARED).exists():
            return next(iter(card.trained), Path(SHARED).stem), folder / SHARED
        name = _best(folder, card)
        return name, folder / FILES[name]
    if weights not in FILES:
        if weights.endswith(".safetensors"):
            return Path(weights).stem, Path(weights)
        allowed = f"{BEST}, {', '.join(FILES)} or a .safetensors file"
        raise InputError(f"weights: found {weights!r}, allowed: {allowed}")
    if not (folder / FILES[weights]).exists():
        raise _nothing(folder, [weights])
    return weights, folder / FILES[weights]


def best_measured(measured: Mapping[Weights, Measured]) -> Weights:
    """Whose accuracy is the highest; of equal ones the smaller loss, then the order of `FILES`."""

    def key(name: Weights) -> tuple[float, float]:
        found = measured[name]
        return found.accuracy, -float("inf") if found.loss is None else -found.loss

    names: tuple[Weights, ...] = get_args(Weights)
    return max((name for name in names if name in measured), key=key)


def _best(folder: Path, card: Card) -> Weights:
    names: tuple[Weights, ...] = get_args(Weights)
    present = [name for name in names if (folder / FILES[name]).exists()]
    if not present:
        raise _nothing(folder, list(FILES))
    measured = _measured(folder, card)
    unknown = [name for name in present if name not in measured and name in RESULTS]
    if unknown and len(present) > 1:
        say(
            f"{folder}: nobody measured how good {FILES[unknown[0]]} is: {FILES[present[0]]} is taken for "
            "the best; trionet evaluate measures"
        )
        return present[0]
    known = {name: measured[name] for name in present if name in measured}
    return best_measured(known) if known else present[0]


def _measured(folder: Path, card: Card) -> dict[Weights, Measured]:
    """What is known of each set: on the test images, or else of the supernet's in the search."""
    found: dict[Weights, Measured] = {} if card.measured is None else {"supernet": card.measured}
    for name in get_args(Weights):
        result = card.trained.get(name) or _told(folder, name)
        if result is not None:
            found[name] = result
    return found


def _told(folder: Path, name: Weights) -> Trained | None:
    """What a training's own result says; folders of before have it nowhere else."""
    if name not in RESULTS or not (folder / RESULTS[name]).exists():
        return None
    path = folder / RESULTS[name]
    result = read_json(path, "what a training of this folder wrote")
    known = result if isinstance(result, dict) else {}
    try:
        return Trained.model_validate({key: known[key] for key in Trained.model_fields if key in known})
    except ValidationError as error:
        raise refused(error, str(path), Trained) from None


def _nothing(folder: Path, names: list[str]) -> InputError:
    wanted = " or ".join(FILES[name] for name in names)
    return InputError(f"{folder}: weights: found no {wanted}, allowed: an exported or retrained network")
