"""An exported network as one folder for other people: what the project's `load` and timm both read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.drawing import network_svg
from trionet_nni.errors import InputError
from trionet_nni.export.card import Card, read_card
from trionet_nni.export.card_text import PICTURE, markdown
from trionet_nni.export.load import architecture_of, load_weights
from trionet_nni.export.weights import BEST, SHARED, chosen_weights
from trionet_nni.files.atomic import write_bytes, write_json, write_text
from trionet_nni.network.trionet import TrioNet

CLASSES = "classes.txt"  # timm's scripts sort folders in another order, unless --class-map names this file
FILES = ("README.md", PICTURE, "architecture.json", "card.json", "config.json", CLASSES, SHARED)
NAME = "trionet"  # what timm calls a network of any architecture
# Where a checkpoint is changed for other channels or classes, as timm asks.
LAYERS = {"first_conv": "stem.0", "classifier": "classifier"}
_PAPER = "Searching for TrioNet: Combining Convolution with Local and Global Self-Attention"


def stage(
    folder: Path,
    into: Path,
    *,
    weights: str = BEST,
    license: str | None = None,
    repository: str = "FOLDER",
) -> None:
    """Write `FILES` of an exported folder into another one.

    Args:
        weights: the one set that goes along; as for `load`.
        license: of the weights.
        repository: how its own README names it.

    Raises:
        InputError: the folder holds no usable network, or the other one is in use.
    """
    if into.exists() and any(into.iterdir()):
        raise InputError(f"{into}: found something there, allowed: a new or empty folder")
    card = read_card(folder)
    architecture = architecture_of(card, folder / "architecture.json")
    name, file = chosen_weights(folder, card, weights)
    _check(card, architecture, file)
    into.mkdir(parents=True, exist_ok=True)
    trained = {key: found for key, found in card.trained.items() if key == name}
    write_bytes(into / SHARED, [file.read_bytes()])
    write_text(into / "architecture.json", architecture.to_json() + "\n")
    write_json(into / "card.json", card.model_copy(update={"trained": trained}).model_dump())
    write_json(into / "config.json", _config(card, architecture))
    write_text(into / CLASSES, "".join(f"{name}\n" for name in card.class_names))
    write_text(into / PICTURE, network_svg(architecture, image_size=card.image_size, classes=card.classes))
    write_text(into / "README.md", _readme(card, architecture, name, license, repository))


def _check(card: Card, architecture: Architecture, file: Path) -> None:
    """Nobody is sent weights that do not fit.

    Raises:
        InputError: they are damaged, or another network's.
    """
    network = TrioNet(
        architecture, classes=card.classes, channels=card.channels, image_size=card.image_size
    )
    load_weights(network, file)


def _config(card: Card, architecture: Architecture) -> dict[str, Any]:
    """What timm reads of it."""
    size = (card.channels, card.image_size, card.image_size)
    return {
        "architecture": NAME,
        "num_classes": card.classes,
        "num_features": architecture.skeleton.widths[-1],
        "label_names": card.class_names,
        "model_args": {
            "architecture": architecture.to_dict(),
            "in_chans": card.channels,
            "img_size": card.image_size,
        },
        "pretrained_cfg": {
            **LAYERS,
            "input_size": size,
            "fixed_input_size": False,
            "interpolation": "bilinear",
            "crop_pct": card.margin or 1.0,
            "crop_mode": "center",
            "mean": card.mean,
            "std": card.std,
        },
    }


def _readme(
    card: Card, architecture: Architecture, weights: str, license: str | None, repository: str
) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    found = next((one for key, one in card.trained.items() if key == weights), None)
    reached = (
        [
            EvalResult(
                task_type="image-classification",
                dataset_type=card.data["name"],
                dataset_name=card.data["name"],
                dataset_split=found.split,
                metric_type="accuracy",
                metric_value=found.accuracy,
            )
        ]
        if found
        else []
    )
    header = ModelCardData(
        model_name=card.name,
        library_name="timm",
        license=license,
        pipeline_tag="image-classification",
        tags=["image-classification", "timm", "trionet", "neural-architecture-search"],
        eval_results=reached or None,
    )
    return "\n".join(
        (
            "---",
            header.to_yaml().strip(),
            "---",
            "",
            markdown(card, architecture).strip(),
            "",
            _use(card, repository),
        )
    )


def _use(card: Card, repository: str) -> str:
    source = repository if repository == "FOLDER" else f"hf-hub:{repository}"
    timm = f"local-dir:{repository}" if repository == "FOLDER" else source
    return f"""## Use

```python
import trionet_nni

network = trionet_nni.create_model("{source}")  # logits of {card.classes} classes

import timm

trionet_nni.register_with_timm()
network = timm.create_model("{timm}", pretrained=True)
```

Or with timm's own script, on a folder with `test/CLASS/*`; the file says which class is which number:

```
python -m trionet_nni.export.with_timm validate.py PICTURES --split test \\
    --model {timm} --class-map {CLASSES}
```

## Citation

{_PAPER}. H. Pi, H. Wang, Y. Li, Z. Li, A. Yuille. BMVC 2021. The network was found and trained by
TrioNet-NNI, an independent implementation.
"""
