"""Networks that this project's own searches found, each a folder as `trionet push --folder` writes it.

Weights are there where the data allow it; what they were trained on, with what recipe and seed, and what
they reach is in each folder's card. `digits_19m` has seen MNIST's digits (LeCun and Cortes, CC BY-SA 3.0).
"""

from __future__ import annotations

from pathlib import Path

from trionet_nni.export.weights import SHARED

_HERE = Path(__file__).parent


def searched_names() -> list[str]:
    """All of them, in alphabetical order."""
    return sorted(path.parent.name for path in _HERE.glob("*/architecture.json"))


def searched_folder(name: str) -> Path | None:
    """The folder of a network; None where none has this name."""
    return _HERE / name if name in searched_names() else None


def has_weights(folder: Path) -> bool:
    """Whether weights came along."""
    return (folder / SHARED).is_file()
