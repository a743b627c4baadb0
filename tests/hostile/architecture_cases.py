"""Architecture files, as `trionet count` and every other command reads them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

from tests.hostile.bench import ARCHITECTURE, DELETE, changed, write_json
from tests.hostile.case import Case, says
from tests.hostile.payloads import opens_canary
from trionet_nni.cli import main

KIND = "architecture file"
_NAME = "network.json"
_KEYS = "allowed: exactly "


def _count(path: Path) -> int:
    return main(["count", str(path), "--classes", "2"])


def _field(name: str, path: str, value: Any, *line: str) -> Case:
    """A right architecture but for one field."""

    def run(folder: Path) -> int:
        return _count(write_json(folder / _NAME, changed(ARCHITECTURE.to_dict(), (path, value))))

    return Case(KIND, name, "trionet count", run, says(f"{_NAME}: ", *line))


def _text(name: str, text: str | bytes, *line: str) -> Case:
    def run(folder: Path) -> int:
        (folder / _NAME).write_bytes(text.encode() if isinstance(text, str) else text)
        return _count(folder / _NAME)

    return Case(KIND, name, "trionet count", run, says(f"{_NAME}: ", *line))


def _document(name: str, document: object, *line: str) -> Case:
    return _text(name, json.dumps(document), *line)


def _payload(folder: Path) -> int:
    (folder / _NAME).write_bytes(pickle.dumps(opens_canary(folder), protocol=0))  # ASCII
    return _count(folder / _NAME)


def _missing(folder: Path) -> int:
    return _count(folder / "none.json")


def _folder(folder: Path) -> int:
    return _count(folder)


_CONV, _LOCAL, _AXIAL = "stages.0.0", "stages.1.0", "stages.1.1"
_BLOCK = ARCHITECTURE.to_dict()["stages"][0][0]
_RIGHT = ARCHITECTURE.to_json()

FIELDS = (
    _field(
        "a wrong operator",
        f"{_CONV}.operator",
        "pooling",
        "stages[0][0].operator: found 'pooling', allowed: conv, local",
    ),
    _field(
        "an operator of another skeleton",
        _CONV,
        {"operator": "basic"},
        "stages[0][0].operator: found 'basic', allowed: conv",
    ),
    _field(
        "a list for an operator",
        f"{_CONV}.operator",
        ["conv"],
        "stages[0][0].operator: found ['conv'], allowed: conv",
    ),
    _field(
        "an operator of a million letters",
        f"{_CONV}.operator",
        "conv" * 100_000,
        "operator: found 'convconv",
        "…, allowed",
    ),
    _field("no operator", f"{_CONV}.operator", DELETE, "stages[0][0].operator: found None, allowed: conv"),
    _field("a kernel of 4", f"{_CONV}.kernel", 4, "stages[0][0].kernel: found 4, allowed: 3, 5, 7"),
    _field("a kernel of 3.0", f"{_CONV}.kernel", 3.0, "stages[0][0].kernel: found 3.0, allowed: 3, 5, 7"),
    _field("a kernel of −3", f"{_LOCAL}.kernel", -3, "stages[1][0].kernel: found -3, allowed: 3, 5, 7"),
    _field("no kernel", f"{_CONV}.kernel", DELETE, "stages[0][0]: found no 'kernel'", _KEYS),
    _field(
        "heads that do not divide",
        f"{_LOCAL}.heads",
        3,
        "stages[1][0].heads: found 3 heads for",
        "divides the channels",
    ),
    _field(
        "more heads than channels",
        f"{_AXIAL}.heads",
        10**30,
        "stages[1][1].heads: found 1000",
        "divides the channels",
    ),
    _field("no head", f"{_LOCAL}.heads", 0, "stages[1][0].heads: found 0, allowed: a positive integer"),
    _field(
        "heads of −4", f"{_LOCAL}.heads", -4, "stages[1][0].heads: found -4, allowed: a positive integer"
    ),
    _field(
        "true for heads",
        f"{_AXIAL}.heads",
        True,
        "stages[1][1].heads: found True, allowed: a positive integer",
    ),
    _field(
        "a text for heads",
        f"{_AXIAL}.heads",
        "4",
        "stages[1][1].heads: found '4', allowed: a positive integer",
    ),
    _field(
        "an expansion of 2",
        f"{_CONV}.expansion",
        2,
        "stages[0][0].expansion: found 2, allowed: a rate above 0 and up to 1",
    ),
    _field(
        "an expansion of 0",
        f"{_CONV}.expansion",
        0,
        "stages[0][0].expansion: found 0, allowed: a rate above 0",
    ),
    _field(
        "a third of the channels",
        f"{_CONV}.expansion",
        1 / 3,
        "stages[0][0].expansion: found 0.333",
        "a whole number of channels",
    ),
    _field(
        "an expansion of 10⁻³⁰⁰",
        f"{_CONV}.expansion",
        1e-300,
        "expansion: found 1e-300 of",
        "a whole number of channels",
    ),
    _field("NaN", f"{_AXIAL}.qk", float("nan"), "stages[1][1].qk: found nan, allowed: a rate"),
    _field("infinity", f"{_AXIAL}.v", float("inf"), "stages[1][1].v: found inf, allowed: a rate"),
    _field("true for a rate", f"{_AXIAL}.v", True, "stages[1][1].v: found True, allowed: a rate"),
    _field("a list for a rate", f"{_LOCAL}.qk", [0.5], "stages[1][0].qk: found [0.5], allowed: a rate"),
    _field(
        "no query but a tenth of a channel",
        f"{_LOCAL}.qk",
        1e-9,
        "stages[1][0].heads: found 4 heads for",
        "qk channels",
    ),
    _field(
        "an extra field of a block",
        f"{_CONV}.dilation",
        2,
        "stages[0][0]: found 'dilation'",
        _KEYS + "expansion, kernel, operator",
    ),
    _field("a field of another operator", f"{_CONV}.heads", 4, "stages[0][0]: found 'heads'", _KEYS),
    _field(
        "an extra field of the network",
        "weights",
        "w.pt",
        "architecture: found 'weights'",
        _KEYS + "space, stages",
    ),
    _field(
        "an extra field with control characters", "\x1b[2J\n", 1, "architecture: found '\\x1b[2J\\n'", _KEYS
    ),
    _field("no space", "space", DELETE, "architecture: found no 'space'", _KEYS),
    _field("an unknown space", "space", "../trionet", "space: found '../trionet', allowed: trionet"),
    _field("a number for the space", "space", 1, "space: found int, allowed: a name"),
    _field("no block in a stage", "stages.0", [], "stages[0]: found 0 blocks, allowed: 1 to"),
    _field("depth out of range", "stages.0", [_BLOCK] * 9, "stages[0]: found 9 blocks, allowed: 1 to"),
    _field("10,000 blocks", "stages.1", [_BLOCK] * 10_000, "stages[1]: found 10000 blocks, allowed: 1 to"),
    _field("a stage too many", "stages", [[_BLOCK]] * 3, "stages: found 3, allowed: 2 for 'trionet-tiny'"),
    _field("no stage", "stages", [], "stages: found 0, allowed: 2 for 'trionet-tiny'"),
    _field("a text for the stages", "stages", "conv", "stages: found str, allowed: a list of lists"),
    _field("a number for a stage", "stages.0", 7, "stages[0]: found int, allowed: a list of blocks"),
    _field("a text for a block", _CONV, "conv", "stages[0][0]: found str, allowed: an object"),
    _field("nothing for a block", _AXIAL, None, "stages[1][1]: found NoneType, allowed: an object"),
)

FILES = (
    Case(
        KIND,
        "no such file",
        "trionet count",
        _missing,
        says("none.json: found no such file, allowed: a file or one of"),
    ),
    Case(
        KIND,
        "a folder",
        "trionet count",
        _folder,
        says("cannot be read (Is a directory), allowed: an architecture"),
    ),
    Case(
        KIND,
        "a pickle payload",
        "trionet count",
        _payload,
        says(_NAME, "found no readable JSON", "allowed: an architecture"),
    ),
    _document("a list", [ARCHITECTURE.to_dict()], "architecture: found list, allowed: an object"),
    _document("null", None, "architecture: found NoneType, allowed: an object"),
    _text("empty", "", "found no readable JSON", "allowed: an architecture"),
    _text("cut off", _RIGHT[:-10], "found no readable JSON", "allowed: an architecture"),
    _text(
        "two documents", _RIGHT + _RIGHT, "found no readable JSON (Extra data", "allowed: an architecture"
    ),
    _text(
        "a comment", _RIGHT + " // mine", "found no readable JSON (Extra data", "allowed: an architecture"
    ),
    _text(
        "a Python expression",
        "__import__('os').system('true')",
        "found no readable JSON",
        "allowed: an architecture",
    ),
    _text(
        "the space twice",
        '{"space": "trionet", ' + _RIGHT[1:],
        "'space' stands there twice",
        "allowed: an architecture",
    ),
    _text(
        "a field of a block twice",
        _RIGHT.replace('"kernel": 3', '"kernel": 9, "kernel": 3', 1),
        "'kernel' stands there twice",
    ),
    _text(
        "10 MB of nesting", "[" * 10_000_000, "found more than 1,000,000 bytes, allowed: an architecture"
    ),
    _text(
        "nesting of less than 1 MB", '{"space":' * 100_000, "nested too deeply", "allowed: an architecture"
    ),
    _text(
        "nesting inside a field",
        _RIGHT.replace("0.25", "[" * 200_000 + "]" * 200_000, 1),
        "nested too deeply",
    ),
    _text(
        "a number of 5,000 digits",
        _RIGHT.replace('"heads": 4', f'"heads": {"9" * 5000}', 1),
        "found no readable JSON (Exceeds the limit",
    ),
    _text(
        "a number of 4,000 digits",
        _RIGHT.replace('"heads": 4', f'"heads": {"9" * 4000}', 1),
        "heads: found 99999",
        "… heads for",
    ),
    _text("bytes of no encoding", b"\xff\xfe{}", "found binary data or no UTF-8, allowed: an architecture"),
    _text(
        "half a surrogate", _RIGHT.replace("conv", "\\ud800", 1), "operator: found '\\ud800', allowed: conv"
    ),
)

CASES = (*FIELDS, *FILES)
