"""Cards of exported networks: what a folder says of its network, its pictures and its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.hostile.bench import DELETE, changed, exported
from tests.hostile.case import Case, says
from trionet_nni.cli import main

_CARD = "card of an exported network"
_REACHED = {"accuracy": 0.75, "loss": 0.5, "images": 4, "split": "test", "seed": 0, "steps": 10}


def _with(folder: Path, *changes: tuple[str, Any]) -> Path:
    """An exported network whose card is right but for the changes."""
    path = exported(folder) / "card.json"
    text = json.dumps(changed(json.loads(path.read_text()), *changes))
    path.unlink()
    path.write_text(text)
    return path.parent


def _card(name: str, field: str, value: Any, *line: str, command: str = "retrain") -> Case:
    def run(folder: Path) -> int:
        return main([command, str(_with(folder, (field, value)))])

    return Case(_CARD, name, f"trionet {command}", run, says("card.json: ", *line))


def _reached(name: str, changes: Mapping[str, Any], *line: str) -> Case:
    """A card on which the fine-tuned weights reached something that no weights reach."""
    found = {key: value for key, value in {**_REACHED, **changes}.items() if value is not DELETE}
    return _card(name, "trained", {"finetuned": found}, *line, command="evaluate")


def _margin(name: str, value: Any, *line: str) -> Case:
    return _card(f"margin: {name}", "margin", value, *line, command="evaluate")


NETWORK = (
    _card("no mean", "mean", DELETE, "mean: found nothing, allowed: a value"),
    _card(
        "two means for three channels",
        "mean",
        [0.5, 0.5],
        "found these settings",
        "a number for each channel",
    ),
    _card("a deviation of 0", "std", [1, 1, 0], "found these settings", "std positive ones"),
    _card(
        "NaN for a mean",
        "mean",
        [float("nan")] * 3,
        "mean.0: found nan, allowed: Input should be a finite number",
    ),
    _card("10⁹ classes", "classes", 10**9, "classes: found 1000000000, allowed: Input should be less than"),
    _card("no channel", "channels", 0, "channels: found 0, allowed: "),
    _card(
        "one name for two classes", "class_names", ["ant"], "found these settings", "a name for each class"
    ),
    _card(
        "an unknown field",
        "loader",
        "os.system",
        "loader: found 'os.system', allowed: no such key, but name",
    ),
)

_FROM_A_HUNDREDTH = "allowed: Input should be greater than or equal to 0.01"
_UP_TO_1 = "allowed: Input should be less than or equal to 1"
_FINITE = "allowed: Input should be a finite number"
MARGINS = (
    _margin("nothing of a picture", 0, "margin: found 0, ", _FROM_A_HUNDREDTH),
    _margin("less than nothing", -0.5, "margin: found -0.5, ", _FROM_A_HUNDREDTH),
    _margin("more than a picture", 1.5, "margin: found 1.5, ", _UP_TO_1),
    _margin("NaN", float("nan"), "margin: found nan, ", _FINITE),
    _margin("infinity", float("inf"), "margin: found inf, ", _FINITE),
    _margin("a Python call", "__import__('os').getpid()", "margin: found ", "a valid number"),
    _margin("a list", [0.875], "margin: found [0.875], ", "a valid number"),
    _margin("true", True, "margin: found True, allowed: Input should not be true or false"),
    _margin("so small that no pixel is left", 1e-300, "margin: found 1e-300, ", _FROM_A_HUNDREDTH),
)

_OF = "trained.finetuned"
_FROM_0, _FROM_1 = (f"allowed: Input should be greater than or equal to {n}" for n in (0, 1))
REACHED = (
    _card("trained: a list", "trained", [1], "trained: found [1], ", "a valid dictionary"),
    _card(
        "trained: a number for a set of weights",
        "trained",
        {"retrained": 0.9},
        "trained.retrained: found 0.9, ",
        "a valid dictionary",
    ),
    _card(
        "trained: a file for the name of a set",
        "trained",
        {"../../weights": _REACHED},
        "trained.../../weights.[key]: found '../../weights', ",
        "'retrained', 'finetuned' or 'supernet'",
    ),
    _reached("trained: no accuracy", {"accuracy": DELETE}, f"{_OF}.accuracy: found nothing, ", "a value"),
    _reached("trained: more than all right", {"accuracy": 1.5}, f"{_OF}.accuracy: found 1.5, ", _UP_TO_1),
    _reached("trained: less than none right", {"accuracy": -1}, f"{_OF}.accuracy: found -1, ", _FROM_0),
    _reached("trained: NaN right", {"accuracy": float("nan")}, f"{_OF}.accuracy: found nan, ", _FINITE),
    _reached("trained: a loss below 0", {"loss": -0.1}, f"{_OF}.loss: found -0.1, ", _FROM_0),
    _reached("trained: an infinite loss", {"loss": float("inf")}, f"{_OF}.loss: found inf, ", _FINITE),
    _reached("trained: on no image", {"images": 0}, f"{_OF}.images: found 0, ", _FROM_1),
    _reached("trained: on half an image", {"images": 0.5}, f"{_OF}.images: found 0.5, ", "integer"),
    _reached("trained: no step", {"steps": 0}, f"{_OF}.steps: found 0, ", _FROM_1),
    _reached("trained: a seed below 0", {"seed": -1}, f"{_OF}.seed: found -1, ", _FROM_0),
    _reached("trained: a seed of 40 digits", {"seed": 10**40}, f"{_OF}.seed: found 1000", "less than"),
    _reached(
        "trained: a field that runs",
        {"hook": "os.system"},
        f"{_OF}.hook: found 'os.system', allowed: no such key, but accuracy, loss, ",
    ),
)


def _boasts(folder: Path) -> int:
    """The card praises weights that the folder has not: those that are there are taken."""
    from trionet_nni.export.load import load

    found = load(_with(folder, ("trained", {"retrained": {**_REACHED, "accuracy": 1.0}})))
    return 0 if found.classes == ("ant", "bee") else 1


MISSING = (
    Case(
        _CARD,
        "trained: weights that are not there",
        "load()",
        _boasts,
        usable="the folder's own are loaded",
    ),
)

CASES = (*NETWORK, *MARGINS, *REACHED, *MISSING)
